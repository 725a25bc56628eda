"""What each key of slipway.toml means, in a sentence, for its reference in the docs."""

from __future__ import annotations

TABLES = {
    "": "",
    "project": "Which program.",
    "build": "How it is built, on your computer.",
    "deploy": "How it runs on the server.",
    "deploy.health": (
        "When the new version counts as healthy. Without `http` and `tcp` only that it stays "
        "up is checked."
    ),
    "deploy.docker": 'Only for `kind = "docker"`.',
    "deploy.windows": 'Only for `kind = "windows-service"`.',
    "targets": (
        "A server and how to reach it. Each begins with `[[targets]]`; several are dealt with"
        " one after another, and the first failure stops."
    ),
}

# What stands for a default that is not simply the value.
DEFAULTS = {
    "name": "must be there",
    "project.path": '`"."`, the folder of the file',
    "project.package": "the only main package",
    "deploy.root": (
        '`"/opt"` for root and sudo, else `"~/.local/share/slipway"`; `"C:\\Services"` on Windows'
    ),
    "deploy.health.tcp": "none",
    "deploy.docker.user": "the image's: 65532, not root",
    "deploy.windows.display-name": "the name",
    "targets.address": "must be there",
    "targets.port": "22 for ssh, 5986 for https, 5985 for http",
    "targets.user": "for ssh: `~/.ssh/config`, else your own name; winrm needs one",
    "targets.key": "`~/.ssh/config`, else your agent and the usual files",
}

# What stands for a form that says too little.
ALLOWED = {
    "name": "small letters, digits, dashes; a letter first; at most 63",
    "build.platform": '`"auto"`, or system and machine like `"linux/arm64"`',
    "build.version": '`"auto"`, or one line of at most 128 characters',
    "build.stamp": 'package and variable, like `"main.version"`, or `""`',
    "deploy.kind": '`"docker"`, `"windows-service"`, `"process"`',
    "deploy.docker.ports": '`"SERVER:CONTAINER"`, like `"127.0.0.1:8080:8080/tcp"`',
    "deploy.docker.volumes": '`"SERVER:CONTAINER"`, like `"/srv/hello:/data:ro"`',
    "deploy.docker.network": '`"bridge"`, `"host"`, `"none"` or a network\'s name',
    "deploy.docker.restart": '`"no"`, `"always"`, `"unless-stopped"`, `"on-failure:3"`',
    "deploy.docker.log-max-size": 'a size, like `"10m"`',
    "deploy.windows.account": (
        '`"LocalSystem"`, `"LocalService"`, `"NetworkService"`, `"virtual"`, `\'DOMAIN\\user\'`,'
        " `'.\\user'`, `'DOMAIN\\gmsa$'`"
    ),
    "deploy.windows.log-max-size": 'a size, like `"10m"`',
    "project.package": 'a folder, like `"./cmd/hello"`',
    "deploy.health.http": 'an address, like `"http://localhost:8080/health"`',
    "deploy.docker.registry": '`"HOST"` or `"HOST:PORT"`, with a namespace if wanted',
}

KEYS = {
    "name": "What the service or container is called, and its folder on the server.",
    "project.path": "The folder with go.mod, relative to the file.",
    "project.package": "The main package, if the project has several.",
    "build.platform": "What it is built for; `auto` takes what the server is.",
    "build.version": (
        "The version that is shown and stamped; `auto` asks git (`git describe --tags --always`, "
        "with `-dirty` behind it for changes to anything but `slipway.toml`)."
    ),
    "build.stamp": "The variable that gets the version (`-ldflags -X`); empty for none.",
    "build.tags": "Go's build tags.",
    "build.ldflags": "Flags for Go's linker.",
    "build.cgo": "Whether C code is built too; needs a C compiler for the server's platform.",
    "build.env": "Further environment of the build, like `GOFLAGS` or `GOPROXY`.",
    "build.checks": "What must pass before anything is built: `go vet`, `go test`.",
    "build.include": "Files and folders of the project that are shipped beside the program.",
    "deploy.kind": (
        "How it runs: container, Windows service, or a process on this computer for trying out."
    ),
    "deploy.args": "The program's arguments, each as one text.",
    "deploy.env": "The program's environment. Everybody who has the file can read it.",
    "deploy.secrets": (
        "Names of variables whose values come from the keyring or `SLIPWAY_SECRET_NAME`; "
        "never a value."
    ),
    "deploy.root": "The folder on the server under which the service gets a folder of its own.",
    "deploy.keep": (
        "How many releases stay on the server; the one that serves and the one before it always do."
    ),
    "deploy.health.http": (
        "An address that answers when the service works, as seen from the server. "
        "Certificates are not judged."
    ),
    "deploy.health.tcp": "A port that must accept connections; instead of `http`.",
    "deploy.health.expect": "The HTTP status that counts as healthy.",
    "deploy.health.timeout": "How long the new version may take until it is healthy.",
    "deploy.health.stable": (
        "How long it must then stay so, as the same process, without a restart."
    ),
    "deploy.docker.rehearse": (
        "Start the new version once without its published ports and check it before the old "
        "one is stopped; turn it off where two at once would hurt."
    ),
    "deploy.docker.ports": "Published ports.",
    "deploy.docker.volumes": (
        "Folders of the server or named volumes in the container. Rolling back does not touch"
        " what is in them."
    ),
    "deploy.docker.network": "The container's network; empty is Docker's own bridge.",
    "deploy.docker.restart": "When Docker starts it again by itself.",
    "deploy.docker.read-only": (
        "Whether the container's file system can't be written, but for `/tmp` and volumes."
    ),
    "deploy.docker.cap-drop": "Rights of root that the container loses.",
    "deploy.docker.cap-add": (
        "Rights of root that it keeps, like `NET_BIND_SERVICE` for a port below 1024."
    ),
    "deploy.docker.user": (
        "The user inside the container, as name or number, with a group if wanted."
    ),
    "deploy.docker.stop-timeout": "How long the program may take to end before Docker ends it.",
    "deploy.docker.log-max-size": "When a file of the container's log is full.",
    "deploy.docker.log-max-file": "How many files of its log stay.",
    "deploy.docker.base": (
        "`scratch`: an image that Slipway makes, with the program, CA certificates, time "
        "zones and a user; `dockerfile`: your own, built on the server."
    ),
    "deploy.docker.dockerfile": 'Which Dockerfile, with `base = "dockerfile"`.',
    "deploy.docker.registry": (
        "Push the image there and have the server pull it, instead of sending it over SSH."
    ),
    "deploy.docker.registry-user": (
        "Who pushes and pulls; the password is `SLIPWAY_REGISTRY_PASSWORD` or asked."
    ),
    "deploy.windows.host": (
        "Who runs the program. `native`: Windows itself; `wrapped`: Slipway's service host; "
        "`nssm`; `auto`: native if the program can be a service, else wrapped."
    ),
    "deploy.windows.settings": (
        "An existing service `keep`s its own settings (only the program is replaced) or gets "
        "those of the `profile`; `auto` keeps those of a service that Slipway did not make."
    ),
    "deploy.windows.account": (
        "The account that the service runs under. A password is never here: keyring, or "
        "`SLIPWAY_SECRET_ACCOUNT_PASSWORD`."
    ),
    "deploy.windows.grant-logon": (
        "Whether Slipway gives that account the right “Log on as a service”."
    ),
    "deploy.windows.start": (
        "When Windows starts it: with the server, a little later, or only on demand."
    ),
    "deploy.windows.restart": (
        "Pauses before it is started again after a crash. Slipway's host gives up after that "
        "many crashes in a row and one more; Windows repeats the last pause; NSSM uses only "
        "the first. Empty: never."
    ),
    "deploy.windows.display-name": "The name in Windows' list of services.",
    "deploy.windows.description": "The sentence beneath it there.",
    "deploy.windows.dependencies": "Short names of services that Windows starts first.",
    "deploy.windows.firewall": (
        "Ports for which Windows' firewall gets a rule that lets others in (TCP)."
    ),
    "deploy.windows.stop-timeout": (
        "How long the program may take to end before it is ended with all that it started; 1 "
        "second to 10 minutes."
    ),
    "deploy.windows.smoke": (
        "Arguments of a trial run before anything is stopped; it must end with code 0 within "
        "30 s. Empty: no trial run."
    ),
    "deploy.windows.nssm": (
        "Where nssm.exe lies on the server, if it is not in one of the usual places."
    ),
    "deploy.windows.nssm-file": "An nssm.exe on this computer that is sent along instead.",
    "deploy.windows.log-max-size": "When a file of the service's log is full.",
    "deploy.windows.log-max-file": "How many files of its log stay.",
    "targets.address": (
        "The server's name or IP address, or a Host of `~/.ssh/config`. For this computer any"
        " word, like `localhost`."
    ),
    "targets.transport": "How it is reached; `local` is this computer.",
    "targets.port": "The port, if it is not the usual one.",
    "targets.user": "Who logs in.",
    "targets.key": "The file of a private key, for ssh.",
    "targets.scheme": "For winrm: with or without TLS.",
    "targets.auth": (
        "For winrm: how one logs in. `basic` goes over https only; `kerberos` and `credssp` "
        "need an extra Python package."
    ),
    "targets.ca": "For winrm: a PEM file of the authority that signed the server's certificate.",
}
