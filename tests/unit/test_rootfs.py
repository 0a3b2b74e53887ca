"""Roots from packages, of a repository that the test makes: without a network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.command import Vmemu
from vmemu.rootfs import lay, sources
from vmemu.rootfs.sources import debian_sources

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="there is no apt on this host"
)


class Repository:
    """Packages of a distribution in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "debian"
        self.entries: dict[str, list[str]] = {"i386": [], "amd64": []}

    def add(
        self, name: str, files: dict[str, str], *, version: str = "1", depends: str = ""
    ) -> None:
        """A package of both widths; a text that begins with -> is a link."""
        for architecture, entries in self.entries.items():
            tree = self.directory / "made" / f"{name}-{version}-{architecture}"
            (tree / "DEBIAN").mkdir(parents=True)
            control = (
                f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
                "Maintainer: nobody <n@example.org>\nDescription: of a test\n"
            )
            control += f"Depends: {depends}\n" if depends else ""
            (tree / "DEBIAN/control").write_text(control)
            for path, text in files.items():
                file = tree / path
                file.parent.mkdir(parents=True, exist_ok=True)
                if text.startswith("->"):
                    file.symlink_to(text[2:])
                else:
                    file.write_text(text.format(architecture))
                    file.chmod(0o4755)
            package = self.directory / f"pool/{name}_{version}_{architecture}.deb"
            package.parent.mkdir(exist_ok=True)
            subprocess.run(
                ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(package)],
                check=True,
                capture_output=True,
            )
            data = package.read_bytes()
            entries.append(
                f"{control}Filename: pool/{package.name}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
            )

    def publish(self) -> None:
        """Write its index."""
        suite = self.directory / "dists/suite"
        sums = []
        for architecture, entries in self.entries.items():
            index = suite / f"main/binary-{architecture}/Packages"
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text("\n".join(entries))
            data = index.read_bytes()
            name = index.relative_to(suite)
            sums.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n")
        (suite / "Release").write_text(
            "Origin: test\nSuite: suite\nCodename: suite\nArchitectures: i386 amd64\n"
            "Components: main\nDate: Wed, 16 Jun 2004 00:00:00 UTC\nSHA256:\n" + "".join(sums)
        )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    made.directory.mkdir()
    made.add(
        "base",
        {
            "bin/dash": "for {}",
            "lib/libold.so": "old",
            "usr/share/base-passwd/passwd.master": "r\n",
        },
    )
    made.add("tool", {"usr/bin/tool": "tool"}, depends="library, base")
    made.add("library", {"usr/lib/lib.so.1": "library", "usr/lib/lib.so": "->lib.so.1"})
    made.publish()
    etc = tmp_path / "etc"
    etc.mkdir()
    line = f"deb [trusted=yes arch=mips] copy:{made.directory} suite main\n"
    (etc / "sources.list").write_text(line)
    monkeypatch.setattr(sources, "_ETC", etc)
    monkeypatch.setattr(sources.debian_sources, "__defaults__", (etc,))
    monkeypatch.setattr(lay, "DEFAULT", ("base",))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def state_of_host() -> list[tuple[str, int]]:
    """Where apt and dpkg keep what the host has."""
    places: Sequence[str] = (
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/cache/apt",
        "/var/lib/apt/lists",
    )
    return [(place, Path(place).stat().st_mtime_ns) for place in places if Path(place).exists()]


@pytest.mark.parametrize("architecture", ["i386", "amd64"])
def test_a_root(repository: Repository, tmp_path: Path, vmemu: Vmemu, architecture: str) -> None:
    host = state_of_host()
    root = tmp_path / "new" / "root"
    done = vmemu("rootfs", "--arch", architecture, str(root), "tool")
    assert (done.status, done.out) == (0, "")
    assert done.err == f"{root}: 3 packages of {architecture}, 3 new\n"
    assert (root / "usr/bin/dash").read_text() == f"for {architecture}"
    assert str((root / "bin").readlink()) == "usr/bin"
    assert str((root / "usr/bin/sh").readlink()) == "dash"
    assert (root / "usr/lib/libold.so").read_text() == "old"
    assert str((root / "usr/lib/lib.so").readlink()) == "lib.so.1"
    assert (root / "etc/passwd").read_text() == "r\n"
    assert (root / "usr/bin/tool").stat().st_mode == 0o100755  # no longer 4755
    assert (root / "tmp").stat().st_mode == 0o41777
    manifest = json.loads((root / "var/lib/vmemu/rootfs.json").read_text())
    assert manifest["architecture"] == architecture
    assert sorted(manifest["packages"]) == ["base", "library", "tool"]
    data = (repository.directory / f"pool/tool_1_{architecture}.deb").read_bytes()
    assert manifest["packages"]["tool"] == {
        "version": "1",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert state_of_host() == host


def test_a_name_that_ends_in_plus(repository: Repository, tmp_path: Path, vmemu: Vmemu) -> None:
    """As g++ does; of a word with one more + apt would take away the last."""
    repository.add("c++", {"usr/bin/c++": "c++"})
    repository.publish()
    assert vmemu("rootfs", str(tmp_path / "root"), "c++").status == 0
    manifest = json.loads((tmp_path / "root/var/lib/vmemu/rootfs.json").read_text())
    assert sorted(manifest["packages"]) == ["base", "c++"]


def test_again_is_nothing_new(repository: Repository, tmp_path: Path, vmemu: Vmemu) -> None:
    root = tmp_path / "root"
    assert vmemu("rootfs", str(root)).err == f"{root}: 1 packages of amd64, 1 new\n"
    shutil.rmtree(repository.directory / "pool")  # nobody asks for it
    assert vmemu("rootfs", str(root)).err == f"{root}: 1 packages of amd64, nothing new\n"


def test_more_packages_and_new_versions(
    repository: Repository, tmp_path: Path, vmemu: Vmemu
) -> None:
    root = tmp_path / "root"
    vmemu("rootfs", str(root))
    (root / "usr/bin/dash").write_text("mine")
    (root / "etc/passwd").write_text("mine")
    assert vmemu("rootfs", str(root), "library").err == f"{root}: 2 packages of amd64, 1 new\n"
    assert (root / "usr/bin/dash").read_text() == "mine"
    repository.add("library", {"usr/lib/lib.so.1": "newer"}, version="2")
    repository.publish()
    assert vmemu("rootfs", str(root), "library").err.endswith("nothing new\n")
    done = vmemu("rootfs", "--update", str(root))
    assert done.err == f"{root}: 2 packages of amd64, 1 new\n"
    assert (root / "usr/lib/lib.so.1").read_text() == "newer"
    assert (root / "etc/passwd").read_text() == "mine"


def test_what_was_interrupted_is_completed(
    repository: Repository, tmp_path: Path, vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, unpack = tmp_path / "root", lay._unpack

    def interrupted(file: Path, where: Path) -> None:
        if "tool" in file.name:
            raise KeyboardInterrupt
        unpack(file, where)

    monkeypatch.setattr(lay, "_unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lay.lay_out(str(root), ["tool"], "amd64", tmp_path / "cache/vmemu")
    assert not (root / "usr/bin/tool").exists()
    monkeypatch.setattr(lay, "_unpack", unpack)
    assert vmemu("rootfs", str(root), "tool").err == f"{root}: 3 packages of amd64, 1 new\n"
    assert (root / "usr/bin/tool").exists()


def test_a_package_that_is_not_what_the_index_says(
    repository: Repository, tmp_path: Path, vmemu: Vmemu
) -> None:
    package = repository.directory / "pool/base_1_amd64.deb"
    data = package.read_bytes()
    package.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    done = vmemu("rootfs", str(tmp_path / "root"))
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert done.err.startswith("vmemu: packages cannot be fetched: ")
    assert not (tmp_path / "root").exists()


def test_a_file_of_the_cache_that_was_changed_is_fetched_anew(
    repository: Repository, tmp_path: Path, vmemu: Vmemu
) -> None:
    vmemu("rootfs", str(tmp_path / "root"))
    archive = tmp_path / "cache/vmemu/apt/amd64/cache/archives/base_1_amd64.deb"
    archive.write_bytes(bytes(archive.stat().st_size))
    assert vmemu("rootfs", str(tmp_path / "other")).status == 0


REFUSED = [
    (["nothing"], "there is no package nothing for amd64"),
    (["tool", "nothing", "nowhere"], "there is no package nothing nowhere for amd64"),
    (["tool-"], "'tool-' is not the name of a package"),
    (["--", "-x"], "'-x' is not the name of a package"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_refused(
    repository: Repository, tmp_path: Path, vmemu: Vmemu, words: list[str], sentence: str
) -> None:
    options = words[:1] if words[0] == "--" else []
    done = vmemu("rootfs", *options, str(tmp_path / "root"), *words[len(options) :])
    assert done == (2, "", f"vmemu: {sentence}\n")
    assert not (tmp_path / "root").exists()


def test_directories_that_are_something_else(
    repository: Repository, tmp_path: Path, vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thing").write_text("")
    vmemu("rootfs", str(tmp_path / "root"))
    for name, sentence in (
        ("file", "is not a directory"),
        ("full", "is neither empty nor a root that vmemu laid out: choose a new directory"),
    ):
        path = tmp_path / name
        assert vmemu("rootfs", str(path)) == (2, "", f"vmemu: {path} {sentence}\n")
    monkeypatch.setenv("PATH", "")  # nothing is asked for when there is no place for it
    done = vmemu("rootfs", "/proc/there/is/none")
    assert done == (
        2, "", "vmemu: /proc/there/is/none cannot be written: no such file or directory\n"
    )  # fmt: skip
    root = tmp_path / "root"
    done = vmemu("rootfs", "--arch", "i386", str(root))
    assert done == (2, "", f"vmemu: {root} is a root for amd64, not for i386\n")
    (root / "var/lib/vmemu/rootfs.json").write_text("{")
    done = vmemu("rootfs", str(root))
    assert (
        done.err == f"vmemu: {root}/var/lib/vmemu/rootfs.json is damaged: choose a new directory\n"
    )


def test_no_apt_no_network_no_sources(
    repository: Repository, tmp_path: Path, vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(repository.directory / "dists")
    done = vmemu("rootfs", str(tmp_path / "root"))
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert done.err.startswith("vmemu: Debian's packages cannot be reached: ")
    (tmp_path / "etc/sources.list").write_text("deb http://example.org/ suite main\n")
    done = vmemu("rootfs", str(tmp_path / "root"))
    assert "names no source of Debian's packages" in done.err
    monkeypatch.setenv("PATH", str(tmp_path))
    done = vmemu("rootfs", str(tmp_path / "root"))
    assert done.err == (
        "vmemu: there is no apt-get on this host: a root is laid out by Debian's apt and dpkg\n"
    )


def test_what_can_be_had_of_the_sources_will_do(
    repository: Repository, tmp_path: Path, vmemu: Vmemu
) -> None:
    with (tmp_path / "etc/sources.list").open("a") as file:
        file.write(f"deb [trusted=yes] copy:{tmp_path}/nothing/debian suite main\n")
    root = tmp_path / "root"
    done = vmemu("rootfs", str(root))
    assert done.status == 0
    first, second = done.err.splitlines()
    assert first.startswith("vmemu: some packages may be old: ")
    assert second == f"{root}: 1 packages of amd64, 1 new"


def test_sources_of_the_distribution_alone(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://x/debian old main\n"
        "deb [arch=amd64 signed-by=/k] http://x/debian suite main contrib # why\n"
        "deb [ arch=amd64,i386 ] http://x/debian-security suite main\n"
        "deb-src http://x/debian suite main\n"
        "deb http://x/vendor suite main\n"
        "deb http://x/debian suite contrib\n"
    )
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/a.sources").write_text(
        "# a comment\nTypes: deb deb-src\nURIs: http://y/debian\nSuites: suite suite-updates\n"
        "Components: main\nArchitectures: amd64\nSigned-By:\n -----BEGIN\n .\n abc\n\n"
        "Types: deb\nURIs: http://y/ubuntu\nSuites: suite\nComponents: main\nEnabled: no\n\n"
        "Types: deb-src\nURIs: http://y/debian\nSuites: suite\nComponents: main\n\n"
        "Types: deb\nURIs: http://y/vendor\nSuites: suite\nComponents: main\n"
    )
    lines, stanzas = debian_sources(tmp_path)
    assert [" ".join(line.split()) for line in lines.splitlines()] == [
        "deb [ signed-by=/k] http://x/debian suite main contrib",
        "deb http://x/debian-security suite main",
    ]
    assert stanzas == (
        "Types: deb\nUris: http://y/debian\nSuites: suite suite-updates\nComponents: main\n"
        "Signed-By: -----BEGIN\n .\n abc\n"
    )
