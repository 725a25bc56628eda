"""Reading Go source: which variables a linker can set, and which ports are listened on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gosource import (
    health_pages,
    listening_ports,
    read_tokens,
    string_variables,
    tokens,
    version_variables,
)


@pytest.fixture
def source(tmp_path):
    def write(text: str) -> list[Path]:
        path = tmp_path / "main.go"
        path.write_text("package main\n\n" + text, encoding="utf-8")
        return [path]

    return write


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("var version string", ["version"]),
        ('var version = "dev"', ["version"]),
        ('var version string = "dev" // set by the build', ["version"]),
        ("var version = `dev`", ["version"]),
        ("var a, b string", ["a", "b"]),
        ('var a, b = "1", "2"', ["a", "b"]),
        ('var (\n\tversion = "dev"\n\tcommit string\n\tcount = 3\n)', ["version", "commit"]),
        ('var ( version = "dev"; date string )', ["version", "date"]),
        ('var version = "a" + "b"', ["version"]),
        ('const version = "1.0"', []),
        ("var version int", []),
        ('var version = os.Getenv("VERSION")', []),
        ('var version = []string{"dev"}', []),
        ("var version *string", []),
        ("var versions []string", []),
        ('var version = fmt.Sprint("x")', []),
        ('func main() {\n\tvar version string\n\tversion = "x"\n}', []),
        ('var run = func() {\n\tvar version string\n}\nvar version = "x"', ["version"]),
        ('// var version string\n/* var version = "x" */', []),
        ("var text = `\nvar version string\n`", ["text"]),
        ('var brace = "{"\nvar version string', ["brace", "version"]),
        ("var rune = '{'\nvar version string", ["version"]),
        ("type T struct {\n\tversion string\n}", []),
    ],
)
def test_variables_that_the_linker_can_set(source, text, names):
    assert string_variables(map(read_tokens, source(text))) == tuple(names)


def test_the_plainest_version_comes_first():
    names = ["commit", "buildVersion", "appName", "Version", "tag", "debug"]
    assert version_variables(names) == ("Version", "tag", "buildVersion")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ('http.ListenAndServe(":8080", nil)', [8080]),
        ('net.Listen("tcp", "127.0.0.1:9000")', [9000]),
        ('net.Listen("tcp", "[::1]:9000")', [9000]),
        ('s := &http.Server{Addr: "0.0.0.0:8443"}', [8443]),
        ('flag.String("addr", ":7000", "where to listen")', [7000]),
        ('flag.Int("port", 7001, "port")', [7001]),
        ('port := os.Getenv("PORT")\nif port == "" {\n\tport = "8099"\n}', [8099]),
        ('envOr("HTTP_PORT", "8500")', [8500]),
        ('sql.Open("postgres", "localhost:5432")', []),
        ('redis.New("10.0.0.1:6379")', []),
        ('http.Get("http://localhost:8080/")', []),
        ('time.Parse("15:04", x)', []),
        ('// http.ListenAndServe(":8080", nil)', []),
        ('http.ListenAndServe(":99999", nil)', []),
        ('x := os.Getenv("PORT")\ny := "8080" + x\nlisten(":9000")', [9000, 8080]),
    ],
)
def test_ports_are_read_where_the_source_says_so(source, text, ports):
    assert listening_ports(map(read_tokens, source("func main() {\n" + text + "\n}"))) == tuple(
        ports
    )


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ('http.HandleFunc("/healthz", ok)', ["/healthz"]),
        ('mux.Handle("GET /health", ok)', ["/health"]),
        ('r.GET("/ping", ok)\nr.GET("/api/health", ok)', ["/api/health", "/ping"]),
        ('http.HandleFunc("/", ok)\nhttp.HandleFunc("/healthy-food", ok)', []),
        ('http.Get("http://localhost:8080/health")', []),
        ('path := "/health"', []),
        ('http.HandleFunc("POST /health", ok)', []),
        ('// http.HandleFunc("/health", ok)', []),
    ],
)
def test_health_pages_are_read_where_a_router_is_told_of_them(source, text, pages):
    assert health_pages(map(read_tokens, source("func main() {\n" + text + "\n}"))) == tuple(pages)


def test_unreadable_and_huge_files_say_nothing(tmp_path):
    huge = tmp_path / "huge.go"
    huge.write_text('var version = "x"\n' + "//\n" * 500_000)
    assert string_variables(map(read_tokens, [tmp_path / "missing.go", huge])) == ()


@given(st.text(alphabet="\"'`\\/*()[]{};=,:\n\t ab0中var", max_size=300))
def test_any_text_is_read_to_its_end(text):
    found = tokens(text)
    assert sum(len(token.text) for token in found) <= len(text)
