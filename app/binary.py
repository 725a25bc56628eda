"""What an executable's header says: for which platform it is, and whether it stands alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_ELF_MACHINES = {
    3: "386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}
# Where the byte order is part of Go's name.
_LITTLE_ENDIAN = {"mips": "mipsle", "mips64": "mips64le", "ppc64": "ppc64le"}
_ELF_SYSTEMS = {0: "linux", 2: "netbsd", 3: "linux", 6: "solaris", 9: "freebsd", 12: "openbsd"}
_PE_MACHINES = {0x014C: "386", 0x8664: "amd64", 0xAA64: "arm64", 0x01C4: "arm"}
_MACHO_MACHINES = {0x01000007: "amd64", 0x0100000C: "arm64"}
_PT_INTERP = 3


@dataclass(frozen=True, slots=True)
class BinaryHeader:
    """Format "elf", "pe" or "macho"; system and machine in Go's words, "" if unknown.

    ``static`` means that no loader and no shared library of the system's is asked for: Windows
    and macOS have no such programs.
    """

    format: str
    system: str
    machine: str
    static: bool

    @property
    def platform(self) -> str:
        """Return "linux/amd64" and the like."""
        return f"{self.system}/{self.machine}"


def read_header(path: Path) -> BinaryHeader | None:
    """Return what the header says, None if it is no executable; raises OSError."""
    with path.open("rb") as file:
        data = file.read(64 * 1024)
    try:
        if data.startswith(b"\x7fELF"):
            return _elf(data)
        if data.startswith(b"MZ"):
            return _pe(data)
        if data.startswith(b"\xcf\xfa\xed\xfe"):
            (machine,) = struct.unpack_from("<I", data, 4)
            return BinaryHeader("macho", "darwin", _MACHO_MACHINES.get(machine, ""), False)
    except struct.error:
        # Cut off in the middle of its header.
        return None
    return None


def _elf(data: bytes) -> BinaryHeader:
    wide, little = data[4] == 2, data[5] == 1
    order = "<" if little else ">"
    (number,) = struct.unpack_from(order + "H", data, 18)
    machine = _ELF_MACHINES.get(number, "")
    if machine == "mips" and wide:
        machine = "mips64"
    if little:
        machine = _LITTLE_ENDIAN.get(machine, machine)
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
    kinds = [
        struct.unpack_from(order + "I", data, table + size * index)[0] for index in range(count)
    ]
    system = _ELF_SYSTEMS.get(data[7], "")
    return BinaryHeader("elf", system, machine, _PT_INTERP not in kinds)


def _pe(data: bytes) -> BinaryHeader | None:
    (offset,) = struct.unpack_from("<I", data, 0x3C)
    if data[offset : offset + 4] != b"PE\0\0":
        return None
    (machine,) = struct.unpack_from("<H", data, offset + 4)
    return BinaryHeader("pe", "windows", _PE_MACHINES.get(machine, ""), False)
