"""Docker images written without Docker, and build contexts for a project's own Dockerfile."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import certifi

from app import dockerignore, tarstream
from app.artifact import Artifact, IncludedFile
from app.errors import ProfileError, SlipwayError
from app.i18n import _
from app.tarstream import Entry
from app.transport import CancelToken

if TYPE_CHECKING:
    from app.git import GitRevision

APP = "app"  # the folder of binary and included files, and the working directory
USER = 65532  # "nonroot", as in distroless images
LABEL_NAME = "io.slipway.name"
LABEL_SHA256 = "io.slipway.binary-sha256"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

_CA_FILE = "etc/ssl/certs/ca-certificates.crt"
_ZONEINFO = "usr/share/zoneinfo.zip"
_ROOTS = Path(certifi.where())
_PASSWD = (
    "root:x:0:0:root:/root:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
    f"nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin\n"
)
_GROUP = f"root:x:0:\nnobody:x:65534:\nnonroot:x:{USER}:\n"
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: digest (``sha256:…``) and size in bytes of its uncompressed tar.

    The digest is the layer's diffID and, as nothing inside an archive is compressed, its blob's.
    """

    digest: str
    size: int
    title: str
    entries: tuple[Entry, ...] = field(repr=False)

    def stream(self, cancel: CancelToken | None = None) -> Iterator[bytes]:
        """Yield the tar; raises SlipwayError if a file is no longer what it was, Cancelled."""
        digest = hashlib.sha256()
        for piece in tarstream.stream(self.entries, cancel):
            digest.update(piece)
            yield piece
        if f"sha256:{digest.hexdigest()}" != self.digest:
            raise SlipwayError(
                _("The program or an included file changed after the image was prepared"),
                _("The layer “{title}” no longer has its digest.").format(title=self.title),
                _("Start again: the image is then made from the files as they are now."),
            )


@dataclass(frozen=True, slots=True)
class Image:
    """A docker image, all but its layers' bytes, which are read from their files when written.

    ``config`` and ``manifest`` are the exact JSON documents behind the two digests. A classic
    engine knows the image by ``config_digest``, the containerd store by ``manifest_digest``.
    """

    name: str
    platform: str
    version: str
    tag: str
    config: bytes = field(repr=False)
    config_digest: str
    manifest: bytes = field(repr=False)
    manifest_digest: str
    layers: tuple[Layer, ...]
    artifact: Artifact

    @property
    def size(self) -> int:
        """Bytes of all layers, uncompressed."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Context:
    """What a Dockerfile is built from: ``path`` is a tar.gz of ``size`` bytes.

    ``sha256`` is that of the tar inside, so that it doesn't depend on this computer's zlib;
    ``dockerfile`` is the Dockerfile's path in it.
    """

    name: str
    tag: str
    sha256: str
    size: int
    path: Path
    dockerfile: str
    version: str
    commit: str
    commit_time: int
    dirty: bool


def make_image(
    artifact: Artifact, name: str, zoneinfo: Path, *, cancel: CancelToken | None = None
) -> Image:
    """Describe the image that runs ``artifact`` as the service ``name``.

    Same artifact, certificates and ``zoneinfo`` (Go's zoneinfo.zip): same digests, on any desktop.
    Raises SlipwayError for a program that can't run in it or a file that can't be read, Cancelled.
    """
    _check_artifact(artifact)
    layers = [_layer(_("base"), _base(zoneinfo), cancel)]
    if artifact.included:
        layers.append(_layer(_("included files"), _included(artifact), cancel))
    binary = Entry(f"{APP}/{artifact.binary}", 0o555, artifact.path)
    layers.append(_layer(_("program"), (Entry(APP, 0o755), binary), cancel))
    config = _json(_config(artifact, name, layers))
    config_digest = _digest(config)
    manifest = _json(make_manifest(config, [(LAYER_TYPE, one.digest, one.size) for one in layers]))
    manifest_digest = _digest(manifest)
    return Image(
        name=name,
        platform=artifact.platform,
        version=artifact.version,
        tag=_tag(name, manifest_digest),
        config=config,
        config_digest=config_digest,
        manifest=manifest,
        manifest_digest=manifest_digest,
        layers=tuple(layers),
        artifact=artifact,
    )


def missing_layers(image: Image, known: frozenset[str]) -> tuple[Layer, ...]:
    """Return the layers to send to an engine that has those with the digests ``known``.

    Only leading layers are left out: a classic engine finds a layer by all that lie below it.
    """
    for index, layer in enumerate(image.layers):
        if layer.digest not in known:
            return image.layers[index:]
    return ()


def write_archive(
    image: Image,
    dest: Path,
    *,
    omit: frozenset[str] = frozenset(),
    cancel: CancelToken | None = None,
) -> int:
    """Write the image as a .tar.gz that every engine since 20.10 and podman load.

    It is a docker archive and an OCI layout in one. Layers in ``omit`` are left out as far as
    ``missing_layers`` allows. Returns the bytes written; ``dest`` appears whole or not at all.
    Raises SlipwayError, Cancelled.
    """
    return tarstream.write_gzip(_archive(image, missing_layers(image, omit), cancel), dest)


def make_context(
    folder: Path,
    dockerfile: str,
    name: str,
    out: Path,
    revision: GitRevision | None,
    *,
    cancel: CancelToken | None = None,
) -> Context:
    """Pack ``folder`` for ``docker build`` into the folder ``out``, as .dockerignore says.

    ``dockerfile`` is relative to ``folder``. Times in the tar are those of the commit, so the same
    files always make the same tar. Raises ProfileError without a Dockerfile, SlipwayError,
    Cancelled.
    """
    inside = _dockerfile(folder, dockerfile)
    ignore = _ignore(folder, inside)
    mtime = revision.commit_time if revision else 0
    # The daemon wants both files, whatever .dockerignore says of them, as Docker sends them.
    always = frozenset({inside, ".dockerignore"})
    selection = _Selection(ignore, always, out.resolve(), cancel)
    entries = selection.entries(folder, mtime)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}-context.tar.gz"
    digest = hashlib.sha256()
    size = tarstream.write_gzip(_observed(tarstream.stream(entries, cancel), digest.update), path)
    sha256 = digest.hexdigest()
    return Context(
        name=name,
        tag=_tag(name, f"sha256:{sha256}"),
        sha256=sha256,
        size=size,
        path=path,
        dockerfile=inside,
        version=revision.describe if revision else sha256[:12],
        commit=revision.commit if revision else "",
        commit_time=mtime,
        dirty=revision.dirty if revision else False,
    )


def make_manifest(config: bytes, layers: Iterable[tuple[str, str, int]]) -> dict[str, object]:
    """Return the OCI manifest of a config and its layers, each (media type, digest, bytes)."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": _digest(config), "size": len(config)},
        "layers": [
            {"mediaType": media_type, "digest": digest, "size": size}
            for media_type, digest, size in layers
        ],
    }


def _check_artifact(artifact: Artifact) -> None:
    if not artifact.platform.startswith("linux/"):
        raise SlipwayError(
            _("The program is built for {platform}, but containers run Linux programs").format(
                platform=artifact.platform
            ),
            _("An image can only hold a program for linux/…, whatever the server is."),
            _("Set build.platform to “auto” or to linux/amd64, linux/arm64, …, and build again."),
        )
    if not artifact.static:
        raise SlipwayError(
            _("The program needs a C library, which the image doesn't have"),
            _("{binary} is linked dynamically and would not start in an image without one.").format(
                binary=artifact.binary
            ),
            _(
                "Build with cgo = false, link it statically "
                "(ldflags “-linkmode external -extldflags -static”), "
                "or let the project's own Dockerfile make the image (base = “dockerfile”)."
            ),
        )


def _layer(title: str, entries: Iterable[Entry], cancel: CancelToken | None) -> Layer:
    kept = tuple(entries)
    digest, size = tarstream.digest_of(tarstream.stream(kept, cancel))
    return Layer(digest, size, title, kept)


def _base(zoneinfo: Path) -> Iterator[Entry]:
    files: Mapping[str, Path | bytes] = {
        "etc/group": _GROUP.encode(),
        "etc/nsswitch.conf": b"hosts: files dns\n",
        "etc/passwd": _PASSWD.encode(),
        _CA_FILE: _ROOTS,
        _ZONEINFO: zoneinfo,
    }
    yield from _with_folders(Entry(name, 0o644, source) for name, source in files.items())
    yield from (Entry("home", 0o755), Entry("home/nonroot", 0o700, owner=USER))
    yield Entry("tmp", 0o1777)


def _included(artifact: Artifact) -> Iterator[Entry]:
    files = sorted(artifact.included, key=lambda file: file.name)
    for file in files:
        _check_included(file, artifact.binary)
    # The desktop's own modes and owners don't count: the service's user must be able to read.
    yield from _with_folders(
        Entry(f"{APP}/{file.name}", 0o755 if file.executable else 0o644, file.source)
        for file in files
    )


def _check_included(file: IncludedFile, binary: str) -> None:
    path = PurePosixPath(file.name)
    if path.is_absolute() or ".." in path.parts:
        why = _("It would lie outside the program's folder.")
    elif path.parts[0] == binary:
        why = _("It has the name of the program itself.")
    elif any(part.startswith(".wh.") for part in path.parts):
        why = _("In an image, names that begin with “.wh.” delete files.")
    else:
        return
    raise ProfileError(
        "build.include",
        _("{name} can't be included").format(name=file.name),
        why,
        _("Rename the file, or take it out of build.include."),
    )


def _with_folders(files: Iterable[Entry]) -> Iterator[Entry]:
    """Put before each file the folders that lead to it, each once."""
    seen: set[str] = set()
    for file in files:
        for folder in reversed(PurePosixPath(file.name).parents[:-1]):
            if str(folder) not in seen:
                seen.add(str(folder))
                yield Entry(str(folder), 0o755, mtime=file.mtime)
        seen.add(file.name)
        yield file


def _config(artifact: Artifact, name: str, layers: Iterable[Layer]) -> dict[str, object]:
    # Without a commit no time is known that another build would have too: Docker then says N/A.
    created: dict[str, str] = {}
    if artifact.commit_time:
        time = datetime.fromtimestamp(artifact.commit_time, UTC)
        created["created"] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    system, architecture, *_rest = artifact.platform.split("/")
    config: dict[str, object] = {"architecture": architecture, "os": system, **created}
    if architecture == "arm":
        # Without it engines take the program for ARMv7 and refuse it on older processors.
        config["variant"] = "v" + artifact.options.get("GOARM", "7").split(",")[0]
    config["config"] = {
        "User": str(USER),
        "Env": [f"SSL_CERT_FILE=/{_CA_FILE}", f"ZONEINFO=/{_ZONEINFO}"],
        "Entrypoint": [f"/{APP}/{artifact.binary}"],
        "WorkingDir": f"/{APP}",
        "Labels": _labels(artifact, name, created.get("created", "")),
    }
    config["rootfs"] = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
    # Not the translated titles: the digest must not depend on the desktop's language.
    config["history"] = [{"created_by": "slipway", **created} for _one in layers]
    return config


def _labels(artifact: Artifact, name: str, created: str) -> dict[str, str]:
    labels = {
        LABEL_NAME: name,
        LABEL_SHA256: artifact.sha256,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.revision": artifact.commit,
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": artifact.version,
    }
    if "." in artifact.module.split("/")[0]:
        labels["org.opencontainers.image.source"] = f"https://{artifact.module}"
    return {key: value for key, value in labels.items() if value}


def _archive(
    image: Image, layers: tuple[Layer, ...], cancel: CancelToken | None
) -> Iterator[bytes]:
    size = 0
    for piece in _archive_members(image, layers, cancel):
        size += len(piece)
        yield piece
    yield tarstream.ending(size)


def _archive_members(
    image: Image, layers: tuple[Layer, ...], cancel: CancelToken | None
) -> Iterator[bytes]:
    documents = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(_index(image)),
        "manifest.json": _json(_docker_manifest(image)),
        _blob(image.config_digest): image.config,
        _blob(image.manifest_digest): image.manifest,
    }
    for path, document in documents.items():
        yield tarstream.header(Entry(path, 0o644, document), len(document))
        yield document + tarstream.padding(len(document))
    for layer in layers:
        yield tarstream.header(Entry(_blob(layer.digest), 0o644, b""), layer.size)
        yield from layer.stream(cancel)
        yield tarstream.padding(layer.size)


def _index(image: Image) -> dict[str, object]:
    descriptor = {
        "mediaType": MANIFEST_TYPE,
        "digest": image.manifest_digest,
        "size": len(image.manifest),
        "annotations": {
            # containerd takes the tag from the first, other OCI tools from the second.
            "io.containerd.image.name": f"docker.io/{image.tag}",
            "org.opencontainers.image.ref.name": image.tag.rpartition(":")[2],
        },
    }
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor]}


def _docker_manifest(image: Image) -> list[dict[str, object]]:
    return [
        {
            "Config": _blob(image.config_digest),
            "RepoTags": [image.tag],
            "Layers": [_blob(layer.digest) for layer in image.layers],
        }
    ]


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _tag(name: str, digest: str) -> str:
    if not _COMPONENT.fullmatch(name):
        raise ProfileError(
            "name",
            _("“{name}” can't be the name of an image").format(name=name),
            _("Docker wants small letters and digits, with single separators only between them."),
            _("Choose a name like “{name}”.").format(name="hello-web"),
        )
    return f"slipway/{name}:{digest.removeprefix('sha256:')[:12]}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _dockerfile(folder: Path, dockerfile: str) -> str:
    path = folder / dockerfile
    if not path.is_file():
        raise ProfileError(
            "deploy.docker.dockerfile",
            _("There is no {dockerfile} in {folder}").format(dockerfile=dockerfile, folder=folder),
            _("base = “dockerfile” builds the image by the project's own Dockerfile."),
            _("Name the right file, or choose base = “scratch” to let Slipway make the image."),
        )
    try:
        return Path(os.path.normpath(path)).relative_to(os.path.normpath(folder)).as_posix()
    except ValueError:
        raise ProfileError(
            "deploy.docker.dockerfile",
            _("{dockerfile} lies outside the project").format(dockerfile=dockerfile),
            _("Only what lies in {folder} is sent to the server.").format(folder=folder),
            _("Move the Dockerfile into the project's folder."),
        ) from None


def _ignore(folder: Path, dockerfile: str) -> dockerignore.Ignore:
    # As BuildKit does it: a file that belongs to one Dockerfile goes before the common one.
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        path = folder / name
        if path.is_file():
            try:
                return dockerignore.parse(path.read_text("utf-8", "surrogateescape"), name)
            except OSError as error:
                raise tarstream.unreadable(path, error) from error
    return dockerignore.Ignore()


@dataclass(frozen=True, slots=True)
class _Selection:
    """What of a folder belongs to a context: not what ``ignore`` excludes, but all of ``always``.

    ``out`` is left out too: what is written there while the folder is read is not part of it.
    """

    ignore: dockerignore.Ignore
    always: frozenset[str]
    out: Path
    cancel: CancelToken | None

    def entries(self, folder: Path, mtime: int) -> Iterator[Entry]:
        """Yield it in one order everywhere, each folder before its content."""
        files = sorted(self._files(folder, ""), key=lambda file: file[0])
        return _with_folders(_context_entry(path, name, mtime) for name, path in files)

    def _files(self, folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        try:
            children = list(os.scandir(folder))
        except OSError as error:
            raise tarstream.unreadable(folder, error) from error
        for child in children:
            if self.cancel:
                self.cancel.check()
            name, path = prefix + child.name, Path(child.path)
            wanted = name in self.always or not self.ignore.excludes(name)
            if child.is_dir(follow_symlinks=False):
                if path.resolve() == self.out:
                    continue
                if wanted:
                    yield name, path
                if wanted or self._may_hold_some(name):
                    yield from self._files(path, name + "/")
            elif wanted and (child.is_symlink() or child.is_file()):
                yield name, path

    def _may_hold_some(self, folder: str) -> bool:
        inside = folder + "/"
        return self.ignore.may_hold_exceptions(folder) or any(
            name.startswith(inside) for name in self.always
        )


def _context_entry(path: Path, name: str, mtime: int) -> Entry:
    if path.is_symlink():
        return Entry(name, 0o777, link=path.readlink().as_posix(), mtime=mtime)
    if path.is_dir():
        return Entry(name, 0o755, mtime=mtime)
    # Windows knows no executable files: there Docker too makes all of them executable.
    executable = os.name == "nt" or bool(path.stat().st_mode & 0o111)
    return Entry(name, 0o755 if executable else 0o644, path, mtime=mtime)


def _observed(pieces: Iterable[bytes], look: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        look(piece)
        yield piece
