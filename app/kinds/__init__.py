"""How a service runs on a server: one module a kind."""

from app.kinds.docker import DockerKind
from app.kinds.process import ProcessKind
from app.kinds.windows_service import WindowsServiceKind
from app.layout import Kind

KINDS: dict[str, Kind] = {
    "docker": DockerKind(),
    "windows-service": WindowsServiceKind(),
    "process": ProcessKind(),
}
