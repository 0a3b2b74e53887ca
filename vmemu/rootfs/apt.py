"""The host's apt with a state of its own: it finds, fetches and verifies, and installs nothing.

Its lists and archives are in the user's cache, a directory for each architecture.  What is
downloaded is verified by apt as always: the signature of the index with the host's keyrings, and
the sums in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vmemu.errors import ConfigError, VmemuError
from vmemu.rootfs.sources import debian_sources

__all__ = ["Apt", "Package"]

FRESH = 24 * 3600
"""Seconds for which the lists of packages are used without asking for new ones."""
_NO_CANDIDATE = re.compile(r"E: (?:Unable to locate package (\S+)|Package '(\S+?)' has no)")
_INST = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)
Told = Callable[[float, str], None]
"""Takes percents and what is being done."""


class Package(NamedTuple):
    """A package at a version, in a file."""

    name: str
    version: str
    sha256: str
    file: str


class Apt:
    """apt for one architecture."""

    def __init__(self, architecture: str, cache: Path) -> None:
        """ConfigError without apt, dpkg-deb or a source of packages."""
        for tool in ("apt-get", "apt-cache", "apt-config", "dpkg-deb", "tar"):
            if shutil.which(tool) is None:
                raise ConfigError(
                    f"there is no {tool} on this host: a root is laid out by Debian's apt and dpkg"
                )
        self.architecture = architecture
        self._base = cache / "apt" / architecture
        self._configuration = self._base / "apt.conf"

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Have the state to oneself; others wait."""
        for name in ("state/lists/partial", "cache/archives/partial", "etc/sources.d"):
            (self._base / name).mkdir(parents=True, exist_ok=True)
        with (self._base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._configure()
            yield

    def _configure(self) -> None:
        lines, stanzas = debian_sources()
        (self._base / "etc/sources.list").write_text(lines)
        (self._base / "etc/sources.d/host.sources").write_text(stanzas)
        (self._base / "state/status").write_text("")
        options = {
            "APT::Architecture": self.architecture,
            "Dir::State": f"{self._base}/state",
            "Dir::State::status": f"{self._base}/state/status",
            "Dir::State::extended_states": f"{self._base}/state/extended_states",
            "Dir::State::lists": f"{self._base}/state/lists",
            "Dir::Cache": f"{self._base}/cache",
            "Dir::Log": f"{self._base}/log",
            "Dir::Etc::sourcelist": f"{self._base}/etc/sources.list",
            "Dir::Etc::sourceparts": f"{self._base}/etc/sources.d",
            "Dir::Etc::main": "/dev/null",  # hooks of the host are about the host
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "APT::Install-Recommends": "0",
            "APT::Install-Suggests": "0",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        text = [f'APT::Architectures {{ "{self.architecture}"; }};']
        text += [f'{name} "{value}";' for name, value in options.items()]
        self._configuration.write_text("\n".join([*self._acquire(), *text, ""]))

    def _acquire(self) -> list[str]:
        """How the host reaches its mirrors: proxies and the like."""
        done = subprocess.run(
            ["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [line for line in done.stdout.splitlines() if not line.endswith('"";')]

    def _run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool, *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "APT_CONFIG": str(self._configuration),
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }

    def update(self, tell: Told, *, now: bool = False) -> str:
        """Have lists of packages that are a day old at most, or new ones; VmemuError.

        Gives what was wrong where some could be had and others could not.
        """
        stamp = self._base / "updated"
        with contextlib.suppress(OSError):
            if not now and time.time() - stamp.stat().st_mtime < FRESH:
                return ""
        status, said = self._watched(["apt-get", "update"], tell)
        if not status:
            stamp.touch()
            return ""
        lists = self._base / "state/lists"
        if not any("_main_binary-" in path.name for path in lists.iterdir()):
            raise VmemuError(f"Debian's packages cannot be reached: {_reason(said)}")
        return _reason(said)

    def plan(self, names: Sequence[str]) -> list[Package]:
        """Packages and all that they need, in the order in which they are to be laid out.

        ConfigError for a name that is none, or that cannot be had together with the others.
        """
        done = self._run("apt-get", "--simulate", "--no-remove", "--yes", "install", *names)
        if done.returncode:
            unknown = [a or b for a, b in _NO_CANDIDATE.findall(done.stderr)]
            if unknown:
                raise ConfigError(
                    f"there is no package {' '.join(unknown)} for {self.architecture}"
                )
            raise ConfigError(f"apt cannot choose packages: {_reason(done.stderr)}")
        chosen = _INST.findall(done.stdout)
        files = self._files([f"{name}={version}" for name, version in chosen])
        return [
            Package(name, version, *files[name.partition(":")[0], version])
            for name, version in chosen
        ]

    def _files(self, chosen: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
        """The sum of each package's file, and the file's name in the archives."""
        done = self._run("apt-cache", "show", "--no-all-versions", *chosen)
        found = {}
        for stanza in done.stdout.split("\n\n"):
            fields = dict(re.findall(r"^(\S+): (.*)$", stanza, re.MULTILINE))
            if "SHA256" in fields:
                version = fields["Version"]
                name = f"{fields['Package']}_{version}_{fields['Architecture']}.deb"
                found[fields["Package"], version] = fields["SHA256"], name.replace(":", "%3a")
        return found

    def download(self, packages: Sequence[Package], tell: Told) -> list[Path]:
        """Fetch packages, as far as they are not there; their files.  VmemuError."""
        archives = self._base / "cache/archives"
        for package in packages:
            path = archives / package.file
            if path.exists() and not _verified(path, package):
                path.unlink()  # apt looks at the size of what is there
        names = [f"{package.name}={package.version}" for package in packages]
        command = ["apt-get", "--download-only", "--no-remove", "--yes", "install", *names]
        status, said = self._watched(command, tell)
        if status:
            raise VmemuError(f"packages cannot be fetched: {_reason(said)}")
        for package in packages:
            if not _verified(archives / package.file, package):
                raise VmemuError(f"{archives / package.file} is not what Debian's index says")
        return [archives / package.file for package in packages]

    def _watched(self, command: list[str], tell: Told) -> tuple[int, str]:
        """Run apt-get and pass on what it says of its progress."""
        read, write = os.pipe()
        try:
            process = subprocess.Popen(
                [command[0], "-o", f"APT::Status-Fd={write}", *command[1:]],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(write,),
                text=True,
            )
        finally:
            os.close(write)
        with os.fdopen(read, errors="replace") as status:
            for line in status:
                fields = line.rstrip("\n").split(":", 3)
                if len(fields) == 4 and fields[0] in ("dlstatus", "pmstatus"):
                    with contextlib.suppress(ValueError):
                        tell(float(fields[2]), fields[3])
        _, said = process.communicate()
        return process.returncode, said


def _verified(path: Path, package: Package) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256
    except OSError:
        return False


def _reason(said: str) -> str:
    """The first thing that apt calls an error, or a warning."""
    lines = said.splitlines()
    for start in ("E: ", "W: "):
        for line in lines:
            if line.startswith(start):
                return line.removeprefix(start).strip()
    return "apt does not say why"
