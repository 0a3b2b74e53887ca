"""Build the C core and the guests: what setup.py runs.

What the C core declares to Python stands once, in ``types.h`` and ``api.h`` of its folders:
``vmemu.h``, which includes them all, is cffi's cdef when it is preprocessed with
``VMEMU_CDEF`` defined.  Targets are rebuilt as kbuild does it: when a file in gcc's own
dependency list is newer, or when the command differs from the recorded one.

setup.py loads this file by path, before the package can be imported, and
``python -P vmemu/_build.py`` builds in place; it must import nothing from vmemu.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HEADER = "csrc/vmemu.h"

WIDTHS = {32: "i386", 64: "x86_64"}
"""Each bits of a guest's word has a core of its own; files called *_NAME.c are for it alone."""

CORE_FLAGS = (
    "-std=gnu11",
    "-O3",
    "-fno-tree-slp-vectorize",
    "-g",
    "-fPIC",
    "-fno-strict-aliasing",  # guest memory is read as whatever type lies there
    "-fvisibility=hidden",
)
WARNINGS = ("-Wall", "-Wextra", "-Werror")
# cffi's wrappers: straight-line code whose parameters are not all used.
GLUE_FLAGS = ("-O1", "-Wno-unused-parameter")

GUEST_FLAGS = (
    "-std=gnu11",
    "-O2",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-Wall",
    "-Wextra",
    "-Werror",
)
GUEST_WIDTH = {32: ("-m32", "-march=i686"), 64: ("-m64",)}
GUEST_LINK = ("-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,noexecstack")

SANITIZERS = {
    "": (),
    "asan": ("-fsanitize=address", "-fno-omit-frame-pointer"),
    "ubsan": ("-fsanitize=undefined", "-fno-sanitize-recover=undefined"),
}


Job = tuple[Path, Path, list[str]]  # C source, target, command without either


class BuildError(Exception):
    """The build cannot go on; the message is one sentence, or the compiler's own words."""


def compiler() -> str:
    """Return the C compiler's path: ``$CC``, else gcc; raises `BuildError` without one."""
    name = os.environ.get("CC", "gcc")
    path = shutil.which(name)
    if path is None:
        raise BuildError(
            f"vmemu needs the C compiler {name!r}, which is not installed "
            "(on Debian: apt-get install gcc libc6-dev)."
        )
    return path


def sanitizer() -> str:
    """Return the sanitizer build asked for by ``$VMEMU_SANITIZE``: "", "asan" or "ubsan"."""
    name = os.environ.get("VMEMU_SANITIZE", "")
    if name not in SANITIZERS:
        raise BuildError(f"VMEMU_SANITIZE is {name!r}; it can be asan, ubsan or empty.")
    return name


def build(root: Path, package: Path) -> None:
    """Build the extension and the guests from the tree `root` into the directory `package`.

    Objects stay in ``root/build``; one build of a tree runs at a time.
    """
    objects = root / "build" / "vmemu"
    with _locked(objects):
        mode = sanitizer()
        cores = [
            build_core(root, objects / f"{mode or 'core'}{bits}", mode, bits) for bits in WIDTHS
        ]
        install(cores, package)
        note_sources(root, package)
        sources = sorted((root / "guests").glob("*.c"))  # vmemu list reads what they show
        programs = build_guests(root, objects / "guests")
        about = root / "guests" / "README.md"
        mirror([*programs, *sources, about], package / "guests_bin")
        mirror(sorted((root / "docs").glob("*.md")), package / "pages")  # vmemu help shows them
        # with its headers a changed guest can be run where there is only the package
        for headers in (root / "guests", root / "guests" / "bench"):
            include = package / "guests_bin" / "include" / headers.relative_to(root / "guests")
            mirror(sorted(headers.glob("*.h")), include)
        mirror(build_guests(root, objects / "guests64", 64), package / "guests_bin" / "x86_64")


def note_sources(root: Path, package: Path) -> None:
    """Write down which C sources the core is built from, and of which commit: vmemu/build_id.py."""
    digest = hashlib.sha256()
    for source in sorted((root / "csrc").rglob("*.[ch]")):
        digest.update(source.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    git = shutil.which("git") if (root / ".git").exists() else None
    told = ""
    if git is not None:
        line = [git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
        done = subprocess.run(line, cwd=root, capture_output=True, text=True, check=False)
        told = done.stdout.strip() if done.returncode == 0 else ""
    text = f"{digest.hexdigest()}\n{told}\n"
    target = package / "sources.txt"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def build_core(root: Path, objects: Path, mode: str, bits: int) -> Path:
    """Build one width's extension module from ``csrc`` and return its path below `objects`."""
    objects.mkdir(parents=True, exist_ok=True)
    gcc = compiler()
    name = f"_core{bits}"
    glue = objects / f"{name}.c"
    width = f"-DVMEMU_BITS={bits}"
    _write_glue(root, [gcc, width], f"vmemu.{name}", glue)
    flags = [*CORE_FLAGS, *SANITIZERS[mode], *shlex.split(os.environ.get("CFLAGS", ""))]
    sources = root / "csrc"
    # messages name files as the tree does
    names = f"-fmacro-prefix-map={sources}/="
    command = [gcc, *flags, *WARNINGS, width, f"-I{sources}", names]
    python = [f"-I{path}" for path in python_includes()]
    if not any((Path(path) / "Python.h").exists() for path in python_includes()):
        raise BuildError("vmemu needs Python.h (on Debian: apt-get install python3-dev).")
    others = tuple(arch for width, arch in WIDTHS.items() if width != bits)
    jobs = [
        (source, objects / f"{'-'.join(source.relative_to(sources).parts)[:-2]}.o", command)
        for source in sorted(sources.rglob("*.c"))
        if not source.stem.endswith(others)
    ]
    jobs.append((glue, objects / f"{name}.o", [*command, *GLUE_FLAGS, *python]))
    inputs = _compile_all(jobs)
    extension = objects / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _make(extension, [gcc, "-shared", *SANITIZERS[mode], *map(str, inputs), "-ldl"], inputs)
    return extension


def guest_command(include: Path, bits: int) -> list[str]:
    """The compiler's command for a program of a width, without source and target."""
    return [compiler(), *GUEST_WIDTH[bits], *GUEST_FLAGS, *GUEST_LINK, f"-I{include}"]


def build_guests(root: Path, objects: Path, bits: int = 32) -> list[Path]:
    """Build each ``guests/NAME.c`` into the program ``objects/NAME`` and return these.

    One whose comment begins with "(i386)" is for that width only.
    """
    objects.mkdir(parents=True, exist_ok=True)
    command = guest_command(root / "guests", bits)
    sources = [
        source
        for source in sorted((root / "guests").glob("*.c"))
        if bits == 32 or f"{source.stem}: (i386)" not in source.read_text()
    ]
    return _compile_all([(source, objects / source.stem, command) for source in sources])


@functools.cache
def guest_program(source: Path, bits: int = 32) -> bytes:
    """The program that a C source makes, built once in a process as guests are."""
    include = Path(__file__).resolve().parents[1] / "guests"
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / source.stem
        command = [*guest_command(include, bits), str(source)]
        done = subprocess.run(
            [*command, "-o", str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BuildError(done.stderr.strip())
        return target.read_bytes()


def mirror(files: Sequence[Path], directory: Path) -> None:
    """Make a directory hold copies of `files` and no other files."""
    install(files, directory)
    names = {path.name for path in files}
    for path in directory.iterdir():
        if path.name not in names and not path.is_dir():
            path.unlink()


def install(files: Sequence[Path], directory: Path) -> None:
    """Copy files that differ from their copies into a directory, created if absent.

    Copies appear by rename: a process that has the old one mapped keeps it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for source in files:
        target = directory / source.name
        new = source.stat()
        old = target.stat() if target.exists() else None
        if old is None or (old.st_mtime_ns, old.st_size) != (new.st_mtime_ns, new.st_size):
            fresh = directory / f".{target.name}.{os.getpid()}"
            shutil.copy2(source, fresh)
            fresh.replace(target)


def _write_glue(root: Path, gcc: Sequence[str], module: str, glue: Path) -> None:
    """Write cffi's C source of a module for the header, unless it is there already."""
    import cffi

    header = root / HEADER
    done = subprocess.run(
        [*gcc, "-E", "-P", "-DVMEMU_CDEF", f"-I{header.parent}", str(header)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(done.stderr.strip())
    stamp = glue.with_suffix(".cdef")
    digest = hashlib.sha256(f"{cffi.__version__}\n{done.stdout}".encode()).hexdigest()
    if glue.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    ffi = cffi.FFI()
    try:
        ffi.cdef(done.stdout)
    except cffi.CDefError as error:
        raise BuildError(f"cffi cannot read {HEADER}: {error}") from error
    ffi.set_source(module, '#include "vmemu.h"')
    ffi.emit_c_code(str(glue))
    stamp.write_text(digest)


def python_includes() -> list[str]:
    """Return the directories that can hold Python.h, for the running interpreter.

    The virtual environment's own come last: bootstrap.py puts the headers there
    where the system has none.
    """
    version = f"python{sysconfig.get_python_version()}"
    own = Path(sys.prefix) / "include"
    paths = [sysconfig.get_path("include"), sysconfig.get_path("platinclude")]
    return list(dict.fromkeys([*paths, str(own / version), str(own)]))


def _compile(source: Path, target: Path, command: Sequence[str]) -> None:
    """Compile one C file to `target`; an object if its name ends in ``.o``, else a program."""
    depfile = target.parent / f"{target.name}.d"
    mode = ["-c"] if target.suffix == ".o" else []
    line = [*command, *mode, "-MMD", "-MF", str(depfile), str(source)]
    _make(target, line, _dependencies(depfile, source))


def _dependencies(depfile: Path, source: Path) -> list[Path]:
    """Return the files gcc read last time to compile `source`."""
    if not depfile.exists():
        return [source]
    text = depfile.read_text().replace("\\\n", " ").replace("\\ ", "\0")
    _, _, names = text.partition(": ")
    return [Path(name.replace("\0", " ")) for name in names.split()]


def _make(target: Path, command: Sequence[str], inputs: Iterable[Path]) -> None:
    """Run ``command -o target`` if an input is newer or the command is not last time's."""
    record = target.parent / f"{target.name}.cmd"
    line = shlex.join(command)
    if record.exists() and record.read_text() == line and not _older(target, inputs):
        return
    record.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, "-o", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(done.stderr.strip() or f"failed: {line}")
    record.write_text(line)


def _older(target: Path, inputs: Iterable[Path]) -> bool:
    """Tell whether `target` is missing or older than an input, or an input has gone."""
    try:
        made = target.stat().st_mtime_ns
        return any(path.stat().st_mtime_ns > made for path in inputs)
    except FileNotFoundError:
        return True


def _compile_all(jobs: Sequence[Job]) -> list[Path]:
    """Compile on as many threads as there are CPUs, and return the targets.

    Every failure is reported, not only the first.
    """
    failures = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for job in [pool.submit(_compile, *job) for job in jobs]:
            error = job.exception()
            if isinstance(error, BuildError):
                failures.append(str(error))
            elif error is not None:
                raise error
    if failures:
        raise BuildError("\n".join(failures))
    return [target for _, target, _ in jobs]


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold `directory`, created if absent, against other builds of the same tree."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        tree = Path(__file__).resolve().parent.parent
        build(tree, tree / "vmemu")
    except BuildError as error:
        sys.exit(f"vmemu: {error}")
