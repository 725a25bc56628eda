"""What a request must be like before anything is built: every rule that needs no machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from app.docker_rules import docker_problems
from app.errors import Problem
from app.i18n import _
from app.request import KINDS, BuildOptions, DeployRequest, Target
from app.transport import Secret
from app.value_rules import has_control, is_inside, seconds, twice
from app.windows_rules import ACCOUNT_PASSWORD, needs_password, windows_problems

LATER_KINDS = ("systemd",)
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PLATFORM = re.compile(r"auto|[a-z0-9]+/[a-z0-9]+", re.ASCII)
PACKAGE = re.compile(r"\.|\.{1,2}/\S.*")
STAMP = re.compile(r"[\w.~/-]+\.[A-Za-z_]\w*")
TAG = re.compile(r"[\w.]+")
URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")
LOOKS_SECRET = re.compile(r"passw|secret|token|api_?key|private_?key|credential", re.IGNORECASE)


def problems(request: DeployRequest) -> tuple[Problem, ...]:
    """Return what keeps the request from being carried out, and what is merely doubtful.

    Pure: what only a look at files, at Go or at the server can tell is not judged here.
    """
    return tuple(problem for rule in RULES for problem in rule(request))


def looks_secret(name: str, value: Secret) -> bool:
    """Return whether a variable should be a secret: by its name, or by a password in an address."""
    return bool(LOOKS_SECRET.search(name) or URL_PASSWORD.search(value.reveal()))


def secret_names(request: DeployRequest) -> tuple[str, ...]:
    """Return the names of all values that a deployment needs from the keyring."""
    wanted = request.deploy.kind == "windows-service" and needs_password(
        request.deploy.windows.account
    )
    return request.deploy.secrets + ((ACCOUNT_PASSWORD,) if wanted else ())


def _name(request: DeployRequest) -> Iterator[Problem]:
    if not request.name:
        yield Problem("name", _("The service needs a name."), _("Like “hello”."))
    elif not NAME.fullmatch(request.name):
        yield Problem(
            "name",
            _("“{name}” can't be a service's name.").format(name=request.name),
            _("Use small letters, digits and dashes, a letter first, at most 63 characters."),
        )


def _project(request: DeployRequest) -> Iterator[Problem]:
    project = request.project
    if project.path == Path():
        yield Problem("project.path", _("Choose the folder of the Go project."))
    if project.package and not PACKAGE.fullmatch(project.package):
        yield Problem(
            "project.package",
            _("“{package}” is not the folder of a main package.").format(package=project.package),
            _("Write it relative to the project, like ./cmd/hello."),
        )


def _build(request: DeployRequest) -> Iterator[Problem]:
    build = request.build
    yield from _platform(request)
    if not build.version.strip() or has_control(build.version) or len(build.version) > 128:
        yield Problem(
            "build.version",
            _("The version must be a short text in one line."),
            _("Use “auto” to take it from git."),
        )
    if build.stamp and not STAMP.fullmatch(build.stamp):
        yield Problem(
            "build.stamp",
            _("“{stamp}” does not name a variable.").format(stamp=build.stamp),
            _("Write package and variable, like main.version."),
        )
    for tag in _not(TAG, build.tags):
        yield Problem("build.tags", _("“{tag}” can't be a build tag.").format(tag=tag))
    if has_control(build.ldflags):
        yield Problem("build.ldflags", _("Linker flags must be one line."))
    yield from _build_env(build)
    for path in build.include:
        if not is_inside(path):
            yield Problem(
                "build.include",
                _("“{path}” is not a path inside the project.").format(path=path),
                _("Write it relative to the project, with slashes, like config or web/dist."),
            )
    yield from twice("build.include", build.include)


def _platform(request: DeployRequest) -> Iterator[Problem]:
    platform = request.build.platform
    if not PLATFORM.fullmatch(platform):
        yield Problem(
            "build.platform",
            _("“{platform}” is not a platform.").format(platform=platform),
            _("Use “auto”, or system and architecture, like linux/amd64."),
        )
    elif request.deploy.kind == "docker" and not platform.startswith(("auto", "linux/")):
        yield Problem(
            "build.platform",
            _("A program for {platform} can't run in a Linux container.").format(platform=platform),
            _("Use “auto” or a platform that begins with linux/."),
        )
    elif request.deploy.kind == "windows-service" and not platform.startswith(("auto", "windows/")):
        yield Problem(
            "build.platform",
            _("A program for {platform} can't be a Windows service.").format(platform=platform),
            _("Use “auto” or a platform that begins with windows/."),
        )


def _build_env(build: BuildOptions) -> Iterator[Problem]:
    ours = {"GOOS": "build.platform", "GOARCH": "build.platform", "CGO_ENABLED": "build.cgo"}
    yield from _env("build.env", build.env)
    for name in build.env:
        if name in ours:
            yield Problem(
                "build.env",
                _("{name} is set by {key}.").format(name=name, key=ours[name]),
                _("Remove it here and set {key}.").format(key=ours[name]),
            )


def _deploy(request: DeployRequest) -> Iterator[Problem]:
    deploy = request.deploy
    offered = ", ".join(KINDS)
    if deploy.kind in LATER_KINDS:
        yield Problem(
            "deploy.kind",
            _("This version of Slipway does not offer “{kind}” yet.").format(kind=deploy.kind),
            _("It offers: {kinds}.").format(kinds=offered),
        )
    elif deploy.kind not in KINDS:
        yield Problem(
            "deploy.kind",
            _("There is no kind “{kind}”.").format(kind=deploy.kind),
            _("Choose one of: {kinds}.").format(kinds=offered),
        )
    for argument in deploy.args:
        if "\0" in argument:
            yield Problem("deploy.args", _("An argument can't contain a NUL character."))
    if deploy.root and (not _is_root(deploy.root) or has_control(deploy.root)):
        yield Problem(
            "deploy.root",
            _("“{root}” is not a folder on the server.").format(root=deploy.root),
            _("Write a whole path, like /opt, or leave it empty."),
        )
    if deploy.keep < 1:
        yield Problem("deploy.keep", _("At least one release must be kept."))


def _variables(request: DeployRequest) -> Iterator[Problem]:
    deploy = request.deploy
    yield from _env("deploy.env", deploy.env)
    for name in _not(ENV_NAME, deploy.secrets):
        yield Problem(
            "deploy.secrets",
            _("“{name}” can't be the name of a variable.").format(name=name),
            _("Secrets are listed by name, like DB_PASSWORD; their values never stand here."),
        )
    yield from twice("deploy.secrets", deploy.secrets)
    for name in deploy.env:
        if name in deploy.secrets:
            yield Problem(
                "deploy.secrets",
                _("{name} is both in the environment and a secret.").format(name=name),
                _("Remove it from one of them; if it is a secret, from the environment."),
            )
        elif LOOKS_SECRET.search(name):
            yield Problem(
                "deploy.env",
                _("{name} looks like a secret, and everybody can read it here.").format(name=name),
                _("Move it to the secrets: then its value stays in the keyring."),
                blocking=False,
            )


def _health(request: DeployRequest) -> Iterator[Problem]:
    health = request.deploy.health
    if health.http and health.tcp:
        yield Problem(
            "deploy.health.tcp",
            _("The health check asks either by HTTP or by TCP, not both."),
            _("Remove one of them; HTTP says more."),
        )
    if health.http and not _is_url(health.http):
        yield Problem(
            "deploy.health.http",
            _("“{url}” is not an HTTP address.").format(url=health.http),
            _("Write it as seen from the server, like http://localhost:8080/health."),
        )
    if not 0 <= health.tcp <= 65535:
        yield Problem("deploy.health.tcp", _("A port is a number from 1 to 65535."))
    if not 100 <= health.expect <= 599:
        yield Problem("deploy.health.expect", _("An HTTP status is a number from 100 to 599."))
    yield from seconds("deploy.health.timeout", health.timeout, 0.1)
    yield from seconds("deploy.health.stable", health.stable, 0.0)
    if not health.http and not health.tcp:
        yield _no_address(health.stable)


def _no_address(stable: float) -> Problem:
    if stable <= 0:
        return Problem(
            "deploy.health.stable",
            _("Nothing would prove that the new version works."),
            _("Give an HTTP address or a TCP port to ask, or a time that it must stay up."),
        )
    return Problem(
        "deploy.health.http",
        _("Only that the program stays up will be checked, not that it answers."),
        _("Give an address that answers when the service works, like {url}.").format(
            url="http://localhost:8080/health"
        ),
        blocking=False,
    )


def _targets(request: DeployRequest) -> Iterator[Problem]:
    if not request.targets:
        yield Problem("targets", _("Choose a server."))
    several = len(request.targets) > 1
    for number, target in enumerate(request.targets, 1):
        prefix = f"targets.{number}" if several else "targets"
        yield from _target(request.deploy.kind, target, prefix)
    yield from twice("targets", [str(target) for target in request.targets])


def _target(kind: str, target: Target, prefix: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[^\s@/-][^\s@/]*", target.address):
        yield Problem(
            f"{prefix}.address",
            _("“{address}” is not the address of a server.").format(address=target.address)
            if target.address
            else _("The server's address is missing."),
            _("Write its name or IP address, or a Host of ~/.ssh/config."),
        )
    if not 0 <= target.port <= 65535:
        yield Problem(f"{prefix}.port", _("A port is a number from 1 to 65535."))
    if target.user and not re.fullmatch(r"[^\s:-][^\s:]*", target.user):
        yield Problem(
            f"{prefix}.user", _("“{user}” can't be a user's name.").format(user=target.user)
        )
    if kind == "process" and target.transport != "local":
        yield Problem(
            f"{prefix}.transport",
            _("A plain process runs on this computer only."),
            _('Choose transport = "local", or the kind “docker” for a server.'),
        )
    if kind == "windows-service" and target.transport == "local":
        yield Problem(
            f"{prefix}.transport",
            _("A Windows service is put on a server, over WinRM or SSH."),
            _('Choose transport = "winrm" or "ssh".'),
        )
    if kind != "windows-service" and target.transport == "winrm":
        yield Problem(
            f"{prefix}.transport",
            _("WinRM reaches Windows servers only, and those run Windows services."),
            _('Choose the kind “windows-service”, or transport = "ssh".'),
        )
    yield from _winrm(target, prefix)
    if target.transport == "local" and (target.user or target.port or target.key):
        yield Problem(
            f"{prefix}.transport",
            _("This computer is reached without user, port and key."),
            _('Remove them, or choose transport = "ssh".'),
        )


def _winrm(target: Target, prefix: str) -> Iterator[Problem]:
    if target.transport != "winrm":
        if (target.scheme, target.auth, target.ca) != ("https", "ntlm", ""):
            yield Problem(
                f"{prefix}.transport",
                _("Scheme, authentication and authority belong to WinRM."),
                _('Remove them, or choose transport = "winrm".'),
            )
        return
    if target.auth == "basic" and target.scheme == "http":
        yield Problem(
            f"{prefix}.auth",
            _("Basic authentication over HTTP would send the password readable by everybody."),
            _('Choose scheme = "https", or auth = "ntlm".'),
        )
    if target.key:
        yield Problem(
            f"{prefix}.key", _("WinRM knows no key files."), _("Remove it; a password is asked.")
        )
    if target.ca and target.scheme == "http":
        yield Problem(
            f"{prefix}.ca", _("Over HTTP there is no certificate."), _("Remove it, or use https.")
        )
    if not target.user and target.auth != "kerberos":
        yield Problem(
            f"{prefix}.user",
            _("WinRM needs the name of an account."),
            _("Like Administrator, or DOMAIN\\user."),
        )


def _env(key: str, env: dict[str, str]) -> Iterator[Problem]:
    for name, value in env.items():
        if not ENV_NAME.fullmatch(name):
            yield Problem(
                key,
                _("“{name}” can't be the name of a variable.").format(name=name),
                _("Use letters, digits and underscores, no digit first."),
            )
        if "\0" in value:
            yield Problem(key, _("{name} can't contain a NUL character.").format(name=name))
        if URL_PASSWORD.search(value):
            yield Problem(
                key,
                _("{name} holds an address with a password, which everybody could read.").format(
                    name=name
                ),
                _("Make it a secret instead.")
                if key == "deploy.env"
                else _("Keep the password in ~/.netrc, where Go and git look for it."),
            )


def _not(pattern: re.Pattern[str], values: Iterable[str]) -> list[str]:
    return [value for value in values if not pattern.fullmatch(value)]


def _is_root(root: str) -> bool:
    if root.startswith("~/"):
        return ".." not in PurePosixPath(root).parts
    for flavour in (PurePosixPath, PureWindowsPath):
        path = flavour(root)
        if path.is_absolute() and ".." not in path.parts:
            return True
    return False


def _is_url(text: str) -> bool:
    if re.search(r"[\s\x00-\x1f\x7f]", text) or not text.isascii():
        return False
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and port != 0 and not url.username


RULES = (
    _name,
    _project,
    _build,
    _deploy,
    _variables,
    _health,
    docker_problems,
    windows_problems,
    _targets,
)
