"""Laying a root out: packages are unpacked, their scripts are not run.

What those would have done and programs look for is done by hand: the layout with /usr merged,
users and groups, the usual names of alternatives.
"""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vmemu.errors import ConfigError, VmemuError
from vmemu.rootfs.apt import Apt

__all__ = ["ARCHITECTURES", "DEFAULT", "Laid", "lay_out"]

ARCHITECTURES = {"i386": 32, "amd64": 64}
DEFAULT = (
    *("base-files", "base-passwd", "libc6", "libc-bin", "dash", "coreutils", "findutils"),
    *("grep", "sed", "mawk"),
)
"""What is in every root."""
MANIFEST = Path("var/lib/vmemu/rootfs.json")
_MERGED = {32: ("bin", "sbin", "lib"), 64: ("bin", "sbin", "lib", "lib64")}
_DIRECTORIES = ("dev", "proc", "sys", "tmp", "run", "root", "home", "etc", "var/tmp")
_LINKS = {
    "usr/bin/sh": ("dash", "bash", "busybox"),
    "usr/bin/awk": ("mawk", "gawk", "busybox"),
    "usr/bin/cc": ("gcc",),
    "usr/bin/c++": ("g++",),
    "usr/bin/vi": ("vim.basic", "vim.tiny", "busybox"),
    "usr/bin/lua": ("lua5.4",),
    "usr/bin/pager": ("less", "more"),
    "usr/bin/editor": ("nano", "vim.tiny"),
    "usr/bin/nc": ("nc.openbsd", "nc.traditional"),
    "usr/bin/which": ("which.debianutils",),
}
_FILES = {
    "etc/hostname": "vmemu\n",
    "etc/hosts": "127.0.0.1 localhost vmemu\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    "etc/shells": "/bin/sh\n/bin/bash\n/bin/dash\n",
}
_COPIES = {
    "etc/passwd": "usr/share/base-passwd/passwd.master",
    "etc/group": "usr/share/base-passwd/group.master",
    "etc/profile": "usr/share/base-files/profile",
}
Told = Callable[[float, str], None]


class Laid(NamedTuple):
    """What a call has done."""

    new: int
    """Packages that were unpacked."""
    packages: int
    """Those that are there now."""
    stale: str = ""
    """Why not all lists of packages are new; empty if they are."""


def lay_out(
    directory: str,
    names: Sequence[str],
    architecture: str,
    cache: Path,
    tell: Told = lambda percent, what: None,
    *,
    update: bool = False,
) -> Laid:
    """Lay a root out in a directory, or add to one that was.

    tell is told of the progress.  With ``update``, new lists of packages are asked for;
    without, and with all that is asked for there, nothing is.  ConfigError and VmemuError say
    what is wrong.
    """
    root = Path(directory)
    manifest = _manifest(root, architecture)
    asked = sorted({*manifest["asked"], *names, *DEFAULT})
    if asked == manifest["asked"] and manifest["complete"] and not update:
        return Laid(0, len(manifest["packages"]))
    with _writing(root):
        _can_be_made(root)
    apt = Apt(architecture, cache)
    with apt.prepared():
        stale = apt.update(tell, now=update)
        packages = apt.plan(asked)
        there: dict[str, Any] = manifest["packages"]
        new = [each for each in packages if there.get(each.name, {}).get("sha256") != each.sha256]
        files = apt.download(new, tell) if new else []
        with _writing(root):
            _skeleton(root, ARCHITECTURES[architecture])
            manifest.update(asked=asked, complete=False)
            _save(root, manifest)
            for done, (package, file) in enumerate(zip(new, files, strict=True)):
                tell(100 * done / len(new), f"unpacking {package.name}")
                _unpack(file, root)
                there[package.name] = {"version": package.version, "sha256": package.sha256}
                _save(root, manifest)
            _finish(root)
            manifest["complete"] = True
            _save(root, manifest)
    return Laid(len(new), len(there), stale)


def _manifest(root: Path, architecture: str) -> dict[str, Any]:
    """What the root says of itself; ConfigError for what is none, or one of another width."""
    empty = {"architecture": architecture, "asked": [], "complete": False, "packages": {}}
    try:
        if not root.exists():
            return empty
        if not root.is_dir():
            raise ConfigError(f"{root} is not a directory")
        if not any(root.iterdir()):
            return empty
        found: dict[str, Any] = json.loads((root / MANIFEST).read_text())
    except FileNotFoundError:
        raise ConfigError(
            f"{root} is neither empty nor a root that vmemu laid out: choose a new directory"
        ) from None
    except OSError as error:
        raise ConfigError(f"{root} cannot be read: {_why(error)}") from None
    except ValueError:
        found = {}
    if found.keys() < empty.keys():
        raise ConfigError(f"{root / MANIFEST} is damaged: choose a new directory")
    if found["architecture"] != architecture:
        raise ConfigError(f"{root} is a root for {found['architecture']}, not for {architecture}")
    return found


def _save(root: Path, manifest: dict[str, Any]) -> None:
    path = root / MANIFEST
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    new.replace(path)


def _can_be_made(root: Path) -> None:
    """OSError for a directory that is not there and cannot be, before anything is fetched."""
    missing = [each for each in (root, *root.parents) if not each.exists()]
    root.mkdir(parents=True, exist_ok=True)
    for each in missing:
        each.rmdir()


@contextlib.contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VmemuError(f"{root} cannot be written: {_why(error)}") from None


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _skeleton(root: Path, bits: int) -> None:
    """Directories, and links from / to /usr, which packages then find."""
    for name in _DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED[bits]:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        link = root / name
        if not link.is_symlink():
            link.symlink_to(f"usr/{name}")


def _unpack(file: Path, root: Path) -> None:
    """Unpack one package; nobody's rights but those of whoever runs vmemu."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE
    ) as archive:
        command = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner"]
        done = subprocess.run(
            [*command, "--no-same-permissions", f"--directory={root}"],
            stdin=archive.stdout,
            capture_output=True,
            text=True,
            check=False,
            umask=0o022,
        )
    if done.returncode or archive.returncode:
        said = done.stderr.strip().splitlines()
        raise VmemuError(f"{file.name} cannot be unpacked: {said[-1] if said else 'damaged'}")


def _finish(root: Path) -> None:
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    for name, text in _FILES.items():
        _keep(root / name, text)
    for name, source in _COPIES.items():
        with contextlib.suppress(FileNotFoundError):
            _keep(root / name, (root / source).read_text())
    for name, targets in _LINKS.items():
        link = root / name
        if link.is_symlink() or link.exists():
            continue
        target = next((each for each in targets if (link.parent / each).exists()), None)
        if target is not None:
            link.symlink_to(target)
    for path in root.rglob("*"):  # a root of root's would have them on the host
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(mode & 0o1777)


def _keep(path: Path, text: str) -> None:
    """Write a file that is not there."""
    if not path.exists() and not path.is_symlink():
        path.write_text(text)
