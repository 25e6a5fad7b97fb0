"""The images of the API and the operator, built from their Dockerfiles by Docker, or by buildah where there is none.

An image's tag is a hash of all that goes into it: an unchanged tree builds nothing, a changed one rolls the pods.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recall_local.docker import docker_answers
from recall_local.stack import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[3]
"""The repository: the build's context."""

SOURCES: Final[Mapping[str, Sequence[str]]] = {
    "recall-api": ("api/Dockerfile", ".dockerignore", "requirements/api.txt", "api/recall_api"),
    "recall-operator": (
        "operator/Dockerfile",
        ".dockerignore",
        "requirements/operator.txt",
        "operator/recall_operator",
        "api/recall_api/__init__.py",
        "api/recall_api/contract.py",
    ),
}
"""What goes into each image; the first is its Dockerfile."""

DEBIAN: Final = "bookworm"
BASE_PACKAGES: Final = "usr-is-merged,python3,python3-venv,ca-certificates"
"""`python3-minimal` would lack asyncio; without `usr-is-merged`, its alternative brings all of Perl, 50 MB."""
BASE_RECIPE: Final = (
    "mmdebstrap",
    "--variant=minbase",
    f"--include={BASE_PACKAGES}",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    DEBIAN,
)
"""The base image where Docker Hub's `python:3.11-slim-bookworm` cannot be had: the same Python, from Debian itself."""

BUSYBOX: Final = Path("/bin/busybox")
PAUSE_DOCKERFILE: Final = """\
FROM scratch
COPY busybox /busybox
USER 65532:65532
ENTRYPOINT ["/busybox", "sh", "-c", "trap 'exit 0' TERM; /busybox sleep infinity & wait"]
"""
"""The first process of every pod, which ends when asked to (as a process 1, `sleep` alone would not).

The file must be called busybox, or it looks for an applet of its name.
"""

KEPT_ARCHIVES: Final = 2
"""Archives of older builds that are kept, so that going back to another branch is quick."""

CERTIFICATE_VARIABLES: Final = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class ImageError(Exception):
    """An image that could not be built; the message holds the builder's last words."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in an archive that `docker load`, `ctr images import` and `kind load image-archive` take."""

    reference: str
    """Name and tag that pods use."""
    archive: Path
    built: bool
    """Whether it was built just now, not found in the cache."""

    @property
    def size(self) -> int:
        """Bytes of the archive, which is not compressed: what the image takes on a node's disk."""
        return self.archive.stat().st_size


def build(cache: Path, report: Callable[[str], None]) -> dict[str, BuiltImage]:
    """Build `recall-api` and `recall-operator`, or find them in the cache.

    Raises:
        ImageError: a build failed.
    """
    with locked(cache / "images" / ".lock"):
        images = {name: _build_one(cache, name, report) for name in SOURCES}
    for name, image in images.items():
        how = "built" if image.built else "unchanged"
        report(f"{name}: {how}, {image.size / 1e6:.0f} MB ({image.reference})")
    return images


def build_pause(cache: Path) -> BuiltImage:
    """Build the pause image, which every pod of a node without Docker starts with, or find it in the cache.

    Raises:
        ImageError: the build failed, or Debian's busybox-static is not installed.
    """
    if not BUSYBOX.exists():
        raise ImageError(f"{BUSYBOX} is missing: apt-get install busybox-static")
    tag = _hash([PAUSE_DOCKERFILE.encode(), BUSYBOX.read_bytes()])
    # Not the lock of the other images: a node need not wait for them.
    with locked(cache / "images" / ".pause.lock"), tempfile.TemporaryDirectory() as context:
        shutil.copy(BUSYBOX, Path(context) / "busybox")
        (Path(context) / "Dockerfile").write_text(PAUSE_DOCKERFILE)
        return _archive(cache, "pause", tag, lambda image: _buildah_build(cache, image, [context]))


def tag_of(root: Path, sources: Sequence[str], base: str) -> str:
    """Return the tag of an image made of `sources`, files and folders below `root`, on the base image `base`."""
    parts = [base.encode()]
    for source in sources:
        for path in _files(root / source):
            parts += [str(path.relative_to(root)).encode(), path.read_bytes()]
    return _hash(parts)


def certificate_bundle(environment: Mapping[str, str]) -> Path | None:
    """Return the file of trusted authorities that this machine sets for its programs, if it sets one."""
    for variable in CERTIFICATE_VARIABLES:
        if path := environment.get(variable):
            return Path(path)
    return None


def build_arguments(dockerfile: str, image: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments of a build that `docker build` and `buildah build` share.

    The machine's own bundle of authorities is lent to pip as a secret, and its package index named, so that neither
    stays in the image.
    """
    arguments = ["--file", dockerfile, "--tag", image]
    if bundle := certificate_bundle(environment):
        arguments += ["--secret", f"id=authorities,src={bundle}", "--build-arg", "PIP_CERT=/run/secrets/authorities"]
    if index := environment.get("PIP_INDEX_URL"):
        arguments += ["--build-arg", f"PIP_INDEX_URL={index}"]
    return arguments


def _build_one(cache: Path, name: str, report: Callable[[str], None]) -> BuiltImage:
    sources = SOURCES[name]
    docker = docker_answers()
    base = "docker" if docker else _base_reference()
    tag = tag_of(ROOT, sources, base)

    def make(image: str) -> None:
        report(f"building {name}")
        arguments = build_arguments(sources[0], image, os.environ)
        if docker:
            _run(["docker", "build", *arguments, str(ROOT)], env={**os.environ, "DOCKER_BUILDKIT": "1"})
        else:
            _ensure_base(cache, base, report)
            _buildah_build(cache, image, ["--build-arg", f"BASE={base}", *arguments[:2], *arguments[4:], str(ROOT)])

    return _archive(cache, name, tag, make)


def _archive(cache: Path, name: str, tag: str, make: Callable[[str], None]) -> BuiltImage:
    """Return the archive of an image; when it is not there yet, let `make` build it and write it out."""
    reference = f"recall.local/{name}:{tag}"
    folder = cache / "images"
    archive = folder / f"{name}-{tag}.tar"
    if archive.exists():
        archive.touch()
        return BuiltImage(reference, archive, built=False)
    make(reference)
    unfinished = folder / f".{archive.name}"
    unfinished.unlink(missing_ok=True)
    if docker_answers() and name != "pause":
        _run(["docker", "save", "--output", str(unfinished), reference])
    else:
        _buildah(cache, "push", reference, f"docker-archive:{unfinished}:{reference}")
    unfinished.replace(archive)
    archives = sorted(folder.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in archives[1 + KEPT_ARCHIVES :]:
        path.unlink()
        with suppress(ImageError):  # another builder's image
            _buildah(cache, "rmi", f"recall.local/{name}:{path.stem.removeprefix(f'{name}-')}")
    return BuiltImage(reference, archive, built=True)


def _base_reference() -> str:
    return f"recall.local/base:{_hash([' '.join(BASE_RECIPE).encode()])}"


def _ensure_base(cache: Path, base: str, report: Callable[[str], None]) -> None:
    """Make the base image from Debian's packages, once."""
    if base in _buildah(cache, "images", "--format={{.Name}}:{{.Tag}}").split():
        return
    report(f"making the base image from Debian {DEBIAN}'s packages")
    with tempfile.TemporaryDirectory(dir=cache / "images") as context:
        _run([*BASE_RECIPE, f"{context}/base.tar"])
        (Path(context) / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        _buildah_build(cache, base, [context])


def _buildah_build(cache: Path, image: str, arguments: Sequence[str]) -> None:
    _buildah(cache, "build", "--isolation=chroot", "--layers", "--tag", image, *arguments)


def _buildah(cache: Path, *arguments: str) -> str:
    """Run buildah on a store of our own, in a mount namespace of its own: it would leave a mount behind."""
    store = cache / "buildah"
    places = [f"--root={store / 'store'}", f"--runroot={store / 'run'}"]
    return _run(["unshare", "--mount", "buildah", *places, *arguments])


def _run(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ImageError(f"`{' '.join(command)[:300]}` failed:\n{words}")
    return done.stdout


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(found for found in path.rglob("*") if found.is_file() and "__pycache__" not in found.parts)


def _hash(parts: Iterable[bytes]) -> str:
    """Return a short hash; each part counts with its length, so that no two lists look the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:12]
