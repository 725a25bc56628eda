"""What each key of slipway.toml means, in a sentence, for its reference in the docs.

Each text stands here in English and in Chinese.
"""

from __future__ import annotations

TABLES = {
    "project": ("Which program.", "是哪个程序。"),
    "build": ("How it is built, on your computer.", "在你的电脑上如何构建。"),
    "deploy": ("How it runs on the server.", "在服务器上如何运行。"),
    "deploy.health": (
        (
            "When the new version counts as healthy. Without `http` and `tcp` only that it stays "
            "up is checked."
        ),
        "新版本怎样才算健康。没有 `http` 和 `tcp` 时，只检查程序是否持续运行。",
    ),
    "deploy.docker": ('Only for `kind = "docker"`.', '仅用于 `kind = "docker"`。'),
    "deploy.windows": (
        'Only for `kind = "windows-service"`.',
        '仅用于 `kind = "windows-service"`。',
    ),
    "targets": (
        (
            "A server and how to reach it. Each begins with `[[targets]]`; several are dealt "
            "with one after another, and the first failure stops."
        ),
        (
            "一台服务器，以及如何连接它。每个目标以 `[[targets]]` 开头；有多个时依次处理，一旦失"
            "败就停止。"
        ),
    ),
}

# What stands for a default that is not simply the value.
DEFAULTS = {
    "name": ("must be there", "必填"),
    "project.path": ('`"."`, the folder of the file', '`"."`，即本文件所在的文件夹'),
    "project.package": ("the only main package", "唯一的 main 包"),
    "deploy.root": (
        '`"/opt"` for root and sudo, else `"~/.local/share/slipway"`; `"C:\\Services"` on Windows',
        (
            '使用 root 或 sudo 时为 `"/opt"`，否则为 `"~/.local/share/slipway"`；在 Windows 上为 '
            '`"C:\\Services"`'
        ),
    ),
    "deploy.health.tcp": ("none", "无"),
    "deploy.docker.user": ("the image's: 65532, not root", "镜像自带的用户：65532，不是 root"),
    "deploy.windows.display-name": ("the name", "名称"),
    "targets.address": ("must be there", "必填"),
    "targets.port": (
        "22 for ssh, 5986 for https, 5985 for http",
        "ssh 为 22，https 为 5986，http 为 5985",
    ),
    "targets.user": (
        "for ssh: `~/.ssh/config`, else your own name; winrm needs one",
        "ssh：取自 `~/.ssh/config`，否则是你自己的用户名；winrm 必填",
    ),
    "targets.key": (
        "`~/.ssh/config`, else your agent and the usual files",
        "取自 `~/.ssh/config`，否则用你的 agent 和常用的密钥文件",
    ),
}

# What stands for a form that says too little.
ALLOWED = {
    "name": (
        "small letters, digits, dashes; a letter first; at most 63",
        "小写字母、数字、连字符；以字母开头；最多 63 个字符",
    ),
    "build.platform": (
        '`"auto"`, or system and machine like `"linux/arm64"`',
        '`"auto"`，或系统和架构，如 `"linux/arm64"`',
    ),
    "build.version": (
        '`"auto"`, or one line of at most 128 characters',
        '`"auto"`，或一行文字，最多 128 个字符',
    ),
    "build.stamp": (
        'package and variable, like `"main.version"`, or `""`',
        '包和变量，如 `"main.version"`，或 `""`',
    ),
    "deploy.kind": (
        '`"docker"`, `"windows-service"`, `"process"`',
        '`"docker"`、`"windows-service"`、`"process"`',
    ),
    "deploy.docker.ports": (
        '`"SERVER:CONTAINER"`, like `"127.0.0.1:8080:8080/tcp"`',
        '`"服务器:容器"`，如 `"127.0.0.1:8080:8080/tcp"`',
    ),
    "deploy.docker.volumes": (
        '`"SERVER:CONTAINER"`, like `"/srv/hello:/data:ro"`',
        '`"服务器:容器"`，如 `"/srv/hello:/data:ro"`',
    ),
    "deploy.docker.network": (
        '`"bridge"`, `"host"`, `"none"` or a network\'s name',
        '`"bridge"`、`"host"`、`"none"` 或某个网络的名称',
    ),
    "deploy.docker.restart": (
        '`"no"`, `"always"`, `"unless-stopped"`, `"on-failure:3"`',
        '`"no"`、`"always"`、`"unless-stopped"`、`"on-failure:3"`',
    ),
    "deploy.docker.log-max-size": ('a size, like `"10m"`', '大小，如 `"10m"`'),
    "deploy.windows.account": (
        (
            '`"LocalSystem"`, `"LocalService"`, `"NetworkService"`, `"virtual"`, '
            "`'DOMAIN\\user'`, `'.\\user'`, `'DOMAIN\\gmsa$'`"
        ),
        (
            '`"LocalSystem"`、`"LocalService"`、`"NetworkService"`、`"virtual"`、'
            "`'DOMAIN\\user'`、`'.\\user'`、`'DOMAIN\\gmsa$'`"
        ),
    ),
    "deploy.windows.log-max-size": ('a size, like `"10m"`', '大小，如 `"10m"`'),
    "project.package": ('a folder, like `"./cmd/hello"`', '文件夹，如 `"./cmd/hello"`'),
    "deploy.health.http": (
        'an address, like `"http://localhost:8080/health"`',
        '地址，如 `"http://localhost:8080/health"`',
    ),
    "deploy.docker.registry": (
        '`"HOST"` or `"HOST:PORT"`, with a namespace if wanted',
        '`"主机"` 或 `"主机:端口"`，可以加上命名空间',
    ),
}

KEYS = {
    "name": (
        "What the service or container is called, and its folder on the server.",
        "服务或容器的名称，也是它在服务器上的文件夹的名称。",
    ),
    "project.path": (
        "The folder with go.mod, relative to the file.",
        "有 go.mod 的文件夹，相对于本文件。",
    ),
    "project.package": (
        "The main package, if the project has several.",
        "项目有多个 main 包时，用哪一个。",
    ),
    "build.platform": (
        "What it is built for; `auto` takes what the server is.",
        "为哪个平台构建；`auto` 取服务器的平台。",
    ),
    "build.version": (
        (
            "The version that is shown and stamped; `auto` asks git ("
            "`git describe --tags --always`, with `-dirty` behind it if any file but "
            "`slipway.toml` is changed or new)."
        ),
        (
            "显示并写入程序的版本；`auto` 向 git 询问（`git describe --tags --always`；"
            "`slipway.toml` 以外有改动或新增的文件时，末尾加上 `-dirty`）。"
        ),
    ),
    "build.stamp": (
        "The variable that gets the version (`-ldflags -X`); empty for none.",
        "写入版本的变量（`-ldflags -X`）；留空则不写入。",
    ),
    "build.tags": ("Go's build tags.", "Go 的构建标签。"),
    "build.ldflags": ("Flags for Go's linker.", "Go 链接器的参数。"),
    "build.cgo": (
        "Whether C code is built too; needs a C compiler for the server's platform.",
        "是否也编译 C 代码；需要面向服务器平台的 C 编译器。",
    ),
    "build.env": (
        "Further environment of the build, like `GOFLAGS` or `GOPROXY`.",
        "构建时另外设置的环境变量，如 `GOFLAGS` 或 `GOPROXY`。",
    ),
    "build.checks": (
        "What must pass before anything is built: `go vet`, `go test`.",
        "构建之前必须通过的检查：`go vet`、`go test`。",
    ),
    "build.include": (
        "Files and folders of the project that are shipped beside the program.",
        "项目中与程序一并发送的文件和文件夹，放在程序旁边。",
    ),
    "deploy.kind": (
        "How it runs: container, Windows service, or a process on this computer for trying out.",
        "运行方式：容器、Windows 服务，或在本机试用的进程。",
    ),
    "deploy.args": (
        "The program's arguments, each as one text.",
        "程序的参数，每个参数是一个文本。",
    ),
    "deploy.env": (
        "The program's environment. Everybody who has the file can read it.",
        "程序的环境变量。拿到本文件的人都能读到。",
    ),
    "deploy.secrets": (
        (
            "Names of variables whose values come from the keyring or `SLIPWAY_SECRET_NAME`; "
            "never a value."
        ),
        "变量的名称，值来自密钥环或 `SLIPWAY_SECRET_NAME`；这里从不写值。",
    ),
    "deploy.root": (
        "The folder on the server under which the service gets a folder of its own.",
        "服务器上的文件夹，服务在其中有自己的文件夹。",
    ),
    "deploy.keep": (
        (
            "How many releases stay on the server; the one that serves and the one before it "
            "always do."
        ),
        "服务器上保留多少个发布版本；正在使用的和它之前的那一个始终保留。",
    ),
    "deploy.health.http": (
        (
            "An address that answers when the service works, as seen from the server. "
            "Certificates are not judged."
        ),
        "服务正常时会应答的地址，从服务器自身访问。不检查证书。",
    ),
    "deploy.health.tcp": (
        "A port that must accept connections; instead of `http`.",
        "必须接受连接的端口；代替 `http`。",
    ),
    "deploy.health.expect": ("The HTTP status that counts as healthy.", "表示健康的 HTTP 状态码。"),
    "deploy.health.timeout": (
        "How long the new version may take until it is healthy.",
        "新版本最多可以用多长时间达到健康。",
    ),
    "deploy.health.stable": (
        "How long it must then stay so, as the same process, without a restart.",
        "此后必须保持健康多久：始终是同一个进程，没有重启。",
    ),
    "deploy.docker.rehearse": (
        (
            "Start the new version once without its published ports and check it before the old "
            "one is stopped; turn it off where two at once would hurt."
        ),
        (
            "停止旧版本之前，先不映射端口，启动一次新版本并检查；如果两个版本同时运行会出问题，请"
            "关闭。"
        ),
    ),
    "deploy.docker.ports": ("Published ports.", "映射的端口。"),
    "deploy.docker.volumes": (
        (
            "Folders of the server or named volumes in the container. Rolling back does not "
            "touch what is in them."
        ),
        "容器中使用的服务器文件夹或命名卷。回滚不会改动其中的内容。",
    ),
    "deploy.docker.network": (
        "The container's network; empty is Docker's own bridge.",
        "容器的网络；留空则用 Docker 自己的网桥。",
    ),
    "deploy.docker.restart": (
        "When Docker starts it again by itself.",
        "Docker 在什么情况下自动重启它。",
    ),
    "deploy.docker.read-only": (
        "Whether the container's file system can't be written, but for `/tmp` and volumes.",
        "容器的文件系统是否只读，`/tmp` 和卷除外。",
    ),
    "deploy.docker.cap-drop": (
        "Rights of root that the container loses.",
        "容器去除的 root 内核权限（capabilities）。",
    ),
    "deploy.docker.cap-add": (
        "Rights of root that it keeps, like `NET_BIND_SERVICE` for a port below 1024.",
        "授予容器的 root 内核权限，例如使用 1024 以下的端口需要 `NET_BIND_SERVICE`。",
    ),
    "deploy.docker.user": (
        "The user inside the container, as name or number, with a group if wanted.",
        "容器内的账户，名称或编号，可以加上组。",
    ),
    "deploy.docker.stop-timeout": (
        "How long the program may take to end before Docker ends it.",
        "程序最多可以用多长时间结束，超过后由 Docker 终止。",
    ),
    "deploy.docker.log-max-size": (
        "When a file of the container's log is full.",
        "容器的单个日志文件达到多大算写满。",
    ),
    "deploy.docker.log-max-file": ("How many files of its log stay.", "保留多少个日志文件。"),
    "deploy.docker.base": (
        (
            "`scratch`: an image that Slipway makes, with the program, CA certificates, time "
            "zones and a user; `dockerfile`: your own, built on the server."
        ),
        (
            "`scratch`：由 Slipway 制作的镜像，含有程序、CA 证书、时区和一个用户；`dockerfile`："
            "你自己的镜像，在服务器上构建。"
        ),
    ),
    "deploy.docker.dockerfile": (
        'Which Dockerfile, with `base = "dockerfile"`.',
        '`base = "dockerfile"` 时用哪个 Dockerfile。',
    ),
    "deploy.docker.registry": (
        "Push the image there and have the server pull it, instead of sending it over SSH.",
        "把镜像推送到这里，由服务器拉取，而不是通过 SSH 发送。",
    ),
    "deploy.docker.registry-user": (
        "Who pushes and pulls; the password is `SLIPWAY_REGISTRY_PASSWORD` or asked.",
        "推送和拉取所用的用户；密码取自 `SLIPWAY_REGISTRY_PASSWORD`，或向你询问。",
    ),
    "deploy.windows.host": (
        (
            "Who runs the program. `native`: Windows itself; `wrapped`: Slipway's service host; "
            "`nssm`; `auto`: native if the program can be a service, else wrapped."
        ),
        (
            "由谁运行程序。`native`：Windows 自身；`wrapped`：Slipway 的服务宿主；`nssm`；`auto`："
            "程序自身可以作为服务时用 native，否则用 wrapped。"
        ),
    ),
    "deploy.windows.settings": (
        (
            "An existing service `keep`s its own settings (only the program is replaced) or gets "
            "those of the `profile`; `auto` keeps those of a service that Slipway did not make."
        ),
        (
            "已有的服务保留自己的设置（`keep`，只替换程序），还是采用配置文件的设置（`profile`）；"
            "`auto`：不是由 Slipway 创建的服务保留自己的设置。"
        ),
    ),
    "deploy.windows.account": (
        (
            "The account that the service runs under. A password is never here: keyring, or "
            "`SLIPWAY_SECRET_ACCOUNT_PASSWORD`."
        ),
        "运行服务的账户。密码从不写在这里：用密钥环，或 `SLIPWAY_SECRET_ACCOUNT_PASSWORD`。",
    ),
    "deploy.windows.grant-logon": (
        "Whether Slipway gives that account the right “Log on as a service”.",
        "Slipway 是否授予该账户“作为服务登录”的权限。",
    ),
    "deploy.windows.start": (
        "When Windows starts it: with the server, a little later, or only on demand.",
        "Windows 何时启动它：随服务器启动、稍后启动，或仅在需要时启动。",
    ),
    "deploy.windows.restart": (
        (
            "Pauses before it is started again after a crash. Slipway's host gives up after that "
            "many crashes in a row and one more; Windows repeats the last pause; NSSM uses only "
            "the first. Empty: never."
        ),
        (
            "崩溃后等待多久再次启动，依次列出。连续崩溃的次数超过所列个数后，Slipway 的服务宿主不"
            "再重启；Windows 一直重复最后一个时长；NSSM 只用第一个。留空：从不重启。"
        ),
    ),
    "deploy.windows.display-name": (
        "The name in Windows' list of services.",
        "在 Windows 服务列表中显示的名称。",
    ),
    "deploy.windows.description": (
        "The sentence beneath it there.",
        "该列表中名称下面的说明文字。",
    ),
    "deploy.windows.dependencies": (
        "Short names of services that Windows starts first.",
        "Windows 要先启动的服务的短名称。",
    ),
    "deploy.windows.firewall": (
        "Ports for which Windows' firewall gets a rule that lets others in (TCP).",
        "在 Windows 防火墙中为这些端口建立规则，允许外部访问（TCP）。",
    ),
    "deploy.windows.stop-timeout": (
        (
            "How long the program may take to end before it is ended with all that it started; 1 "
            "second to 10 minutes."
        ),
        "程序最多可以用多长时间结束，超过后连同它启动的所有进程一起终止；1 秒到 10 分钟。",
    ),
    "deploy.windows.smoke": (
        (
            "Arguments of a trial run before anything is stopped; it must end with code 0 within "
            "30 s. Empty: no trial run."
        ),
        "停止任何程序之前，试运行所用的参数；必须在 30 秒内以代码 0 结束。留空：不试运行。",
    ),
    "deploy.windows.nssm": (
        "Where nssm.exe lies on the server, if it is not in one of the usual places.",
        "nssm.exe 在服务器上的位置，不在常用位置时填写。",
    ),
    "deploy.windows.nssm-file": (
        "An nssm.exe on this computer that is sent along instead.",
        "本机上的 nssm.exe，改为发送这一个。",
    ),
    "deploy.windows.log-max-size": (
        "When a file of the service's log is full.",
        "服务的单个日志文件达到多大算写满。",
    ),
    "deploy.windows.log-max-file": ("How many files of its log stay.", "保留多少个日志文件。"),
    "targets.address": (
        (
            "The server's name or IP address, or a Host of `~/.ssh/config`. For this computer "
            "any word, like `localhost`."
        ),
        "服务器的名称或 IP 地址，或 `~/.ssh/config` 中的 Host。本机可以填任何词，如 `localhost`。",
    ),
    "targets.transport": (
        "How it is reached; `local` is this computer.",
        "连接方式；`local` 是本机。",
    ),
    "targets.port": ("The port, if it is not the usual one.", "端口，与默认不同时填写。"),
    "targets.user": ("Who logs in.", "登录的用户。"),
    "targets.key": ("The file of a private key, for ssh.", "ssh：私钥文件。"),
    "targets.scheme": ("For winrm: with or without TLS.", "winrm：是否使用 TLS。"),
    "targets.auth": (
        (
            "For winrm: how one logs in. `basic` goes over https only; `kerberos` and `credssp` "
            "need an extra Python package."
        ),
        (
            "winrm：身份验证方式。`basic` 只能通过 https；`kerberos` 和 `credssp` 需要额外的 "
            "Python 包。"
        ),
    ),
    "targets.ca": (
        "For winrm: a PEM file of the authority that signed the server's certificate.",
        "winrm：签发服务器证书的颁发机构的 PEM 文件。",
    ),
}
