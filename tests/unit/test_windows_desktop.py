"""What only a desktop with Windows has: its folders, registry, pipes, locks and consoles."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import paramiko
import pytest
from paramiko.message import Message

from app import patience
from app import toolchain as toolchain_module
from app.build import build
from app.credentials import WINDOWS_BYTES, KnownHosts, PasswordStore
from app.errors import BuildError, Cancelled, ProjectError, SlipwayError, ToolchainError
from app.processes import run_process
from app.project import LONGEST_FOLDER, GoProject, open_project
from app.request import BuildOptions, Target
from app.toolchain import Toolchain, find_toolchain
from app.transport import CancelToken, Secret
from app.transport.ssh_config import resolve
from app.transport.ssh_keys import KeyRing
from app.transport.streams import Proxy

if sys.platform != "win32":
    pytest.skip("Windows only: its desktop", allow_module_level=True)

import _winapi
import winreg
from ctypes import wintypes

from keyring.backends.Windows import WinVaultKeyring

kernel = ctypes.WinDLL("kernel32", use_last_error=True)
user = ctypes.WinDLL("user32", use_last_error=True)
kernel.CreateFileW.restype = wintypes.HANDLE
kernel.CreateFileW.argtypes = (
    *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID),
    *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
)

really_registered = toolchain_module._registered
HELLO = {
    "go.mod": "module example.com/hello\n\ngo 1.21\n",
    "main.go": 'package main\n\nfunc main() { println("hello") }\n',
}
# Pageant's, and so paramiko's, message.
AGENT_COPY_DATA = 0x804E50BA


@pytest.fixture(scope="module")
def go() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return hello_in(tmp_path / "hello")


def hello_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in HELLO.items():
        (folder / name).write_text(text)
    return folder


def built(go: Toolchain, project: Path | GoProject, out: Path) -> Path:
    opened = open_project(project, go) if isinstance(project, Path) else project
    return build(opened, BuildOptions(version="v1"), "", "windows/amd64", go, out).path


# -- the user's folders ----------------------------------------------------------------------------


def test_settings_history_and_logs_lie_in_the_local_profile() -> None:
    code = (
        "import sys; sys.stdout.reconfigure(encoding='utf-8')\n"
        "from ui.settings import Settings\n"
        "from app.history import History\n"
        "from app.credentials import KnownHosts\n"
        "from app.cli import platformdirs\n"
        "history = History()\n"
        "print(Settings().path, history.path, history.logs, KnownHosts().path, sep='\\n')\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WIN_PD_OVERRIDE")}
    said = run_process([sys.executable, "-c", code], env=environment)
    assert said.exit_code == 0, said.stderr
    local = ctypes.create_unicode_buffer(300)
    assert ctypes.windll.shell32.SHGetFolderPathW(None, 28, None, 0, local) == 0
    own = Path(local.value) / "slipway"
    settings, history, logs, known = map(Path, said.stdout.split("\r\n")[:4])
    assert {settings.parent, history.parent, known.parent} == {own}
    assert logs == own / "Logs" / "runs"


def test_ssh_files_of_the_profile_are_read(home: Path, tmp_path: Path) -> None:
    """As Windows' editors write them: a mark at the beginning, two characters at a line's end."""
    folder = home / ".ssh"
    folder.mkdir()
    key = paramiko.RSAKey.generate(2048)
    public = f"{key.get_name()} {key.get_base64()}"
    key.write_private_key_file(str(folder / "id_box"))
    for name, text in {
        "config": "Host box\n  HostName 10.1.2.3\n  User 用户\n  IdentityFile ~/.ssh/id_box\n",
        "known_hosts": f"10.1.2.3 {public}\n",
        "id_box": (folder / "id_box").read_text(),
    }.items():
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    endpoint = resolve(Target("box"))
    assert (endpoint.host, endpoint.user) == ("10.1.2.3", "用户")
    assert [each.asbytes() for each in KeyRing(endpoint, None).candidates()] == [key.asbytes()]
    KnownHosts(tmp_path / "own").check("10.1.2.3", 22, key.get_name(), key.get_base64())


# -- agents ----------------------------------------------------------------------------------------


class AgentOfOneKey:
    """What any agent answers: its one key, and signatures with it."""

    def __init__(self) -> None:
        self.key = paramiko.ECDSAKey.generate()

    def answer(self, request: bytes) -> bytes:
        message = Message(request[4:])
        answer = Message()
        if message.get_byte() == b"\x0b":
            answer.add_byte(b"\x0c")
            answer.add_int(1)
            answer.add_string(self.key.asbytes())
            answer.add_string("test")
        else:
            message.get_binary()
            answer.add_byte(b"\x0e")
            answer.add_string(self.key.sign_ssh_data(message.get_binary()).asbytes())
        return struct.pack(">I", len(answer.asbytes())) + answer.asbytes()

    def check(self, endpoint_agent: str) -> None:
        """See that the key is offered, and that it signs what its public half accepts."""
        text = f"Host box\n  IdentityAgent {endpoint_agent}\n" if endpoint_agent else ""
        config = Path.home() / "config"
        config.write_text(text)
        endpoint = resolve(Target("box"), config)
        (offered,) = KeyRing(endpoint, None).candidates()
        assert offered.asbytes() == self.key.asbytes()
        signature = Message(offered.sign_ssh_data(b"to be signed"))
        assert self.key.verify_ssh_sig(b"to be signed", signature)


def serve(name: str) -> AgentOfOneKey:
    """Let an agent answer at a named pipe, to one who asks."""
    agent = AgentOfOneKey()
    duplex, bytes_and_wait = 3, 0
    pipe = _winapi.CreateNamedPipe(name, duplex, bytes_and_wait, 1, 8192, 8192, 0, _winapi.NULL)

    def run() -> None:
        _winapi.ConnectNamedPipe(pipe)
        with contextlib.suppress(OSError):  # hung up
            while True:
                head, _code = _winapi.ReadFile(pipe, 4)
                body, _code = _winapi.ReadFile(pipe, struct.unpack(">I", head)[0])
                _winapi.WriteFile(pipe, agent.answer(head + body))
        _winapi.CloseHandle(pipe)

    threading.Thread(target=run, daemon=True).start()
    return agent


@pytest.mark.parametrize("place", [r"\\.\pipe\an-agent", "//./pipe/another-agent"])
def test_the_agent_of_a_named_pipe(place: str) -> None:
    serve(place.replace("/", "\\")).check(place)


def test_the_agent_of_openssh() -> None:
    serve(r"\\.\pipe\openssh-ssh-agent").check("")


def test_a_pipe_that_is_not_there_is_no_agent() -> None:
    config = Path.home() / "config"
    config.write_text("Host box\n  IdentityAgent //./pipe/nobody\n")
    assert list(KeyRing(resolve(Target("box"), config), None).candidates()) == []


class CopyData(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_size_t),
        ("size", wintypes.DWORD),
        ("data", ctypes.c_void_p),
    )


@pytest.fixture
def pageant() -> Iterator[AgentOfOneKey]:
    """A window that answers as Pageant's: requests and answers lie in shared memory."""
    agent = AgentOfOneKey()
    procedure = ctypes.WINFUNCTYPE(
        *(ctypes.c_ssize_t, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
    )
    kernel.OpenFileMappingA.restype = wintypes.HANDLE
    kernel.MapViewOfFile.restype = ctypes.c_void_p
    kernel.MapViewOfFile.argtypes = (wintypes.HANDLE, *[wintypes.DWORD] * 3, ctypes.c_size_t)
    kernel.UnmapViewOfFile.argtypes = (ctypes.c_void_p,)
    user.DefWindowProcW.argtypes = (wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
    user.DefWindowProcW.restype = ctypes.c_ssize_t

    @procedure
    def handle(window: int, message: int, wide: int, long: int) -> int:
        if message != 0x4A:
            return int(user.DefWindowProcW(window, message, wide, long))
        copied = CopyData.from_address(long)
        assert copied.kind == AGENT_COPY_DATA
        mapping = kernel.OpenFileMappingA(6, False, ctypes.string_at(copied.data))
        view = kernel.MapViewOfFile(mapping, 6, 0, 0, 0)
        size = struct.unpack(">I", ctypes.string_at(view, 4))[0] + 4
        answer = agent.answer(ctypes.string_at(view, size))
        ctypes.memmove(view, answer, len(answer))
        kernel.UnmapViewOfFile(view)
        kernel.CloseHandle(mapping)
        return 1

    class WindowClass(ctypes.Structure):
        _fields_ = (
            ("style", wintypes.UINT),
            ("procedure", procedure),
            ("more", ctypes.c_int * 2),
            ("handles", wintypes.HANDLE * 4),
            ("menu", wintypes.LPCWSTR),
            ("name", wintypes.LPCWSTR),
        )

    about = WindowClass(procedure=handle, name="Pageant")
    ready = threading.Event()
    threads: list[int] = []

    def run() -> None:
        assert user.RegisterClassW(ctypes.byref(about))
        user.CreateWindowExW.restype = wintypes.HWND
        window = user.CreateWindowExW(0, "Pageant", "Pageant", *[0] * 5, None, None, None, None)
        assert window
        threads.append(kernel.GetCurrentThreadId())
        ready.set()
        message = wintypes.MSG()
        while user.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
            user.DispatchMessageW(ctypes.byref(message))
        user.DestroyWindow(window)
        user.UnregisterClassW("Pageant", None)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    yield agent
    user.PostThreadMessageW(threads[0], 0x12, 0, 0)
    thread.join(20)


def test_the_agent_of_putty(pageant: AgentOfOneKey) -> None:
    pageant.check("")


# -- passwords -------------------------------------------------------------------------------------


@pytest.fixture
def credential_manager() -> Iterator[PasswordStore]:
    before = keyring.get_keyring()
    keyring.set_keyring(WinVaultKeyring())
    yield PasswordStore()
    keyring.set_keyring(before)


def test_the_credential_manager_keeps_passwords(credential_manager: PasswordStore) -> None:
    target = Target("test.invalid", port=22, user="用户")
    assert credential_manager.available() == ""
    for what in ("password", "sudo"):
        credential_manager.set(target, what, Secret(f"密码 of {what}"))
    for what in ("password", "sudo"):
        assert credential_manager.get(target, what) == Secret(f"密码 of {what}")
        credential_manager.delete(target, what)
        assert credential_manager.get(target, what) is None


def test_a_secret_too_long_for_it_is_refused_in_words(credential_manager: PasswordStore) -> None:
    longest = Secret("密" * (WINDOWS_BYTES // 2))
    credential_manager.set_secret("slipway test", "TOKEN", longest)
    assert credential_manager.get_secret("slipway test", "TOKEN") == longest
    with pytest.raises(SlipwayError, match="too long") as caught:
        credential_manager.set_secret("slipway test", "TOKEN", Secret(longest.reveal() + "!"))
    assert "1280" in caught.value.detail
    assert "1281" in caught.value.detail
    assert caught.value.hint
    assert credential_manager.get_secret("slipway test", "TOKEN") == longest
    credential_manager.delete_secret("slipway test", "TOKEN")


# -- processes -------------------------------------------------------------------------------------


def test_nothing_that_is_started_opens_a_console(
    go: Toolchain, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, int]] = []
    really = _winapi.CreateProcess

    def create(*arguments: object) -> object:
        started.append((str(arguments[1]), int(str(arguments[5]))))
        return really(*arguments)

    monkeypatch.setattr(_winapi, "CreateProcess", create)
    subprocess.run(["git", "init", "-q"], cwd=hello, check=True, creationflags=0x08000000)
    built(go, hello, tmp_path / "out")
    Proxy("echo no way").close()
    names = " ".join(line for line, _flags in started)
    assert all(name in names for name in ("git", "go.exe", "cmd.exe"))
    shown = [line for line, flags in started if not flags & subprocess.CREATE_NO_WINDOW]
    assert shown == []


@pytest.mark.parametrize("how", ["cancel", "proxy"])
def test_the_whole_tree_is_ended(tmp_path: Path, how: str) -> None:
    """A grandchild that nobody knows by number goes with the program that started it."""
    beat = tmp_path / "beat"
    child = f"import time\nwhile True:\n open({str(beat)!r}, 'a').write('.'); time.sleep(0.05)"
    script = tmp_path / "parent.py"
    script.write_text(
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)\n",
        encoding="utf-8",
    )

    def beats() -> int:
        return beat.stat().st_size if beat.exists() else 0

    def wait_for_beats() -> None:
        deadline = time.monotonic() + 60
        while not beats():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    if how == "proxy":
        proxy = Proxy(f'"{sys.executable}" "{script}"')
        wait_for_beats()
        proxy.close()
    else:
        token = CancelToken()
        threading.Thread(target=lambda: (wait_for_beats(), token.cancel())).start()
        with pytest.raises(Cancelled):
            run_process([sys.executable, script], cancel=token)
    time.sleep(0.5)
    before = beats()
    time.sleep(0.5)
    assert beats() == before


# -- paths -----------------------------------------------------------------------------------------


def test_a_result_beneath_a_long_path(go: Toolchain, hello: Path, tmp_path: Path) -> None:
    out = tmp_path.joinpath(*["a long name of a folder"] * 12)
    assert len(str(out)) > 300
    assert built(go, hello, out).read_bytes().startswith(b"MZ")


def test_a_project_whose_path_is_too_long_to_start_programs_in(
    go: Toolchain, tmp_path: Path
) -> None:
    folder = tmp_path
    while len(str(folder)) <= LONGEST_FOLDER:
        folder /= "a long name of a folder"
    hello_in(folder)
    with pytest.raises(ProjectError, match="too long") as caught:
        open_project(folder, go)
    assert str(LONGEST_FOLDER) in caught.value.detail
    assert caught.value.hint


@pytest.fixture
def other_drive(tmp_path: Path) -> Iterator[Path]:
    """A folder of another drive: one that is made of a folder, which Wine can't; the lab has D:."""
    (tmp_path / "drive").mkdir()
    made = kernel.DefineDosDeviceW(0, "X:", str(tmp_path / "drive"))
    folder = Path("X:/" if Path("X:/").is_dir() else "D:/", "slipway-test")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
    if made:
        kernel.DefineDosDeviceW(2, "X:", None)


@pytest.fixture
def share() -> Iterator[Path]:
    """A folder of this computer as others see it; the lab's desktop has one, Windows' own is C$."""
    root = next(
        root
        for name in (r"\\nas\share", r"\\localhost\C$\Users\Public")
        if (root := Path(name)).is_dir()
    )
    folder = root / "slipway-test"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("place", ["other_drive", "share"])
def test_a_project_elsewhere(
    go: Toolchain, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(place)
    project = open_project(hello_in(root / "项目 one" / "hello"), go)
    assert run_process([built(go, project, tmp_path / "out")]).stderr == "hello\n"
    assert run_process([built(go, project, root / "out")]).stderr == "hello\n"


def test_a_read_only_file_in_the_results_place(
    go: Toolchain, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    project = open_project(hello, go)
    path = built(go, project, tmp_path / "out")
    path.chmod(0o444)
    with pytest.raises(BuildError, match="cannot be written") as caught:
        built(go, project, tmp_path / "out")
    assert path.name in caught.value.detail
    path.chmod(0o666)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


# -- files that others hold ------------------------------------------------------------------------


@contextlib.contextmanager
def held(path: Path) -> Iterator[Callable[[], object]]:
    """Hold a file as a scanner does: others may read it, but neither write nor replace it."""
    read, share_read, existing = 0x80000000, 1, 3
    handle = kernel.CreateFileW(str(path), read, share_read, None, existing, 0, None)
    assert handle != wintypes.HANDLE(-1).value
    once = iter([handle])
    let_go = lambda: [kernel.CloseHandle(wintypes.HANDLE(each)) for each in once]  # noqa: E731
    yield let_go
    let_go()


def test_a_scanner_that_lets_go_is_waited_for(go: Toolchain, hello: Path, tmp_path: Path) -> None:
    project = open_project(hello, go)
    path = built(go, project, tmp_path / "out")
    (hello / "main.go").write_text(HELLO["main.go"].replace("hello", "hello again"))
    with held(path) as let_go:
        threading.Timer(1.5, let_go).start()
        before = path.read_bytes()
        assert built(go, project, tmp_path / "out").read_bytes() != before


def test_a_scanner_that_does_not_let_go_is_named(
    go: Toolchain, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    project = open_project(hello, go)
    path = built(go, project, tmp_path / "out")
    with held(path), pytest.raises(BuildError, match="cannot be written") as caught:
        built(go, project, tmp_path / "out")
    assert path.name in caught.value.detail
    assert "Another program" in caught.value.hint


# -- time ------------------------------------------------------------------------------------------


def test_times_are_shown_in_the_zone_of_this_computer() -> None:
    code = "from app.amounts import local_text; print(local_text('2026-03-01T20:30:00Z'))"
    said = run_process([sys.executable, "-c", code], env={**os.environ, "TZ": "CST-8"})
    assert said.stdout == "2026-03-02 04:30\r\n"


# -- Go --------------------------------------------------------------------------------------------


@pytest.fixture
def no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder for what a computer without Go lacks: nothing leads to the real one."""
    monkeypatch.setenv("PATH", r"C:\windows\system32")
    for name in ("ProgramFiles", "ProgramW6432", "LOCALAPPDATA", "PROGRAMDATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("GOROOT", "SCOOP", "SCOOP_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(toolchain_module, "_registered", lambda: iter(()))
    with pytest.raises(ToolchainError, match="not installed"):
        find_toolchain()
    return tmp_path


@contextlib.contextmanager
def registered(key: str, name: str, value: str) -> Iterator[None]:
    """Have a value in the user's part of the registry."""
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
        try:
            before, kind = winreg.QueryValueEx(opened, name)
        except FileNotFoundError:
            before, kind = None, winreg.REG_EXPAND_SZ
        winreg.SetValueEx(opened, name, 0, kind, value)
        yield
        if before is None:
            winreg.DeleteValue(opened, name)
        else:
            winreg.SetValueEx(opened, name, 0, kind, before)


def lay_go(go: Toolchain, folder: Path) -> None:
    """Have a go.exe in a folder, with as little around it as it answers with."""
    folder.mkdir(parents=True)
    (folder.parent / "pkg" / "tool").mkdir(parents=True)
    shutil.copy(go.go, folder)


@pytest.mark.parametrize("place", ["ProgramFiles/Go", "scoop/apps/go/current"])
def test_go_is_found_where_it_is_usually_put(
    go: Toolchain, no_go: Path, home: Path, place: str
) -> None:
    folder = (home if place.startswith("scoop") else no_go) / place
    lay_go(go, folder / "bin")
    found = find_toolchain()
    assert (found.version, found.go.parent.parent) == (go.version, folder)


def test_go_is_found_by_what_its_installer_wrote_down(
    go: Toolchain, no_go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain_module, "_registered", really_registered)
    with registered(r"Software\GoProgrammingLanguage", "installLocation", f"{go.goroot}\\"):
        found = find_toolchain()
    assert (found.go, found.origin) == (go.go, "the registry")


def test_go_is_found_on_a_path_that_is_newer_than_ours(
    go: Toolchain, no_go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As winget and scoop add to it."""
    monkeypatch.setattr(toolchain_module, "_registered", really_registered)
    links = no_go / "LOCALAPPDATA" / "Microsoft" / "WinGet" / "Links"
    lay_go(go, links)
    path = r"C:\windows;%LOCALAPPDATA%\Microsoft\WinGet\Links"
    with registered("Environment", "Path", path):
        found = find_toolchain()
    assert (found.version, found.origin) == (go.version, "the PATH in the registry")
