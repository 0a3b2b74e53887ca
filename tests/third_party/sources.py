"""Where third-party tests come from: Debian's packages, by apt with a state of its own."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

SELFTESTS = "linux-source-6.1/tools/testing/selftests"
FOLDERS = (
    "clone3", "core", "exec", "futex", "ipc", "memfd", "mincore", "mqueue", "openat2", "pidfd",
    "sigaltstack", "splice", "vm",
)  # fmt: skip
HEADERS = "kselftest*.h"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


class NotFetched(Exception):
    """There is no apt, no list of sources, or no network; a sentence says so."""


def _apt(state: Path, kind: str, *command: str) -> None:
    """Run apt-get in the state's directory with Debian's sources, of packages or of their code."""
    if not _SOURCES.exists():
        raise NotFetched(f"there is no {_SOURCES}: the host is no Debian")
    for directory in ("lists/partial", "cache/archives/partial"):
        (state / directory).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    listed = state / f"{kind}.sources"
    listed.write_text(_SOURCES.read_text().replace("Types: deb\n", f"Types: {kind}\n"))
    options = {
        "Dir::State": state, "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists", "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": listed, "Dir::Etc::sourceparts": "/dev/null",
        "APT::Sandbox::User": "root",
    }  # fmt: skip
    words = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    try:
        subprocess.run([*words, "update"], check=True, capture_output=True, cwd=state)
        subprocess.run([*words, *command], check=True, capture_output=True, cwd=state)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotFetched(f"{command[-1]} cannot be fetched: {error}") from None


def posix_suite(directory: Path) -> Path:
    """The Open POSIX Test Suite's source; NotFetched."""
    suite = directory / "posixtestsuite"
    if not suite.exists():
        _apt(directory, "deb-src", "source", "--download-only", "posixtestsuite")
        with tarfile.open(next(directory.glob("posixtestsuite_*.orig.tar.gz"))) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since 3.11.4
            archive.extractall(directory)
    return suite


def has_selftests(directory: Path) -> bool:
    """All of them have been fetched."""
    return all((directory / SELFTESTS / folder).exists() for folder in FOLDERS)


def selftests(directory: Path) -> Path:
    """The kernel's selftests of Debian's linux-source-6.1, a download of 140 MB; NotFetched."""
    found = directory / SELFTESTS
    if not has_selftests(directory):
        _apt(directory, "deb", "download", "linux-source-6.1")
        package = next(directory.glob("linux-source-6.1_*.deb"))
        inner = "./usr/src/linux-source-6.1.tar.xz"
        script = (
            f"dpkg-deb --fsys-tarfile {package.name} | tar xO {inner} | "
            "tar xJ --wildcards "
            + " ".join(f"'{SELFTESTS}/{each}'" for each in (*map("{}/*".format, FOLDERS), HEADERS))
        )
        subprocess.run(["sh", "-c", script], check=True, cwd=directory)
        package.unlink()
    return found
