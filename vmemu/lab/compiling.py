"""Programs from C sources: the host's compiler, or zig's where that has no C library for them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from vmemu.errors import ConfigError
from vmemu.lab.guests import GUESTS
from vmemu.sources import headers_of

__all__ = ["GUEST_INCLUDE", "INCLUDE", "CompileError", "compile_guest", "compile_program"]

INCLUDE = Path(__file__).parents[1] / "include"
"""Where <vmemu.h> is; ``vmemu include-dir`` tells it."""
GUEST_INCLUDE = Path(GUESTS) / "include"
"""Where "guest.h" is; ``vmemu include-dir --guest`` tells it."""

_ZIG_TARGET = {32: "x86-linux-musl", 64: "x86_64-linux-musl"}
_LIBRARY = {32: "gcc-multilib", 64: "libc6-dev"}
"""Debian's packages with a static C library for a width."""
_HOSTED = '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n'
_FREESTANDING = "void _start(void) {}\n"


class CompileError(ConfigError):
    """A source does not compile; ``output`` is what the compiler said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output

    def __reduce__(self) -> tuple[type[CompileError], tuple[str, str]]:
        return CompileError, (str(self), self.output)  # a worker may raise it


def compile_program(source: str, bits: int) -> str:
    """Compile a C source into a static program of a width; its path.

    The compiler is ``$CC``, else cc or gcc, with ``$CFLAGS``; where it makes no static
    programs of that width, that of the package ziglang, which brings musl.  A source that
    includes "guest.h" is compiled without a C library, as guests are.  The program lies in
    the user's cache, always at the same path, so that every run of it is the same.  Raises
    CompileError with the compiler's words, and ConfigError when there is no compiler.
    """
    digest = hashlib.sha256(os.fsencode(Path(source).resolve())).hexdigest()[:12]
    directory = _directory(f"{Path(source).stem}-{digest}-{bits}")
    return _compile(source, bits, directory / Path(source).stem)


def compile_guest(source: str, bits: int) -> str:
    """The program of a scenario's guest, compiled as `compile_program` does it, but once.

    What was made of the same source, headers and commands is taken as it is.  Several
    processes may ask at a time: whoever is done last replaces the same program.
    """
    commands = _guest_compilers(bits) if _is_guest(Path(source)) else _compilers(bits)
    digest = hashlib.sha256(repr((commands, _flags())).encode())
    for path in (source, *headers_of(source, [str(GUEST_INCLUDE), str(INCLUDE)])):
        content = Path(path).read_bytes()
        digest.update(f"\n{Path(path).name} {len(content)}\n".encode() + content)
    directory = _directory("guests", digest.hexdigest()[:24])
    target = directory / Path(source).stem
    return str(target) if target.exists() else _compile(source, bits, target)


def _flags() -> list[str]:
    return [f"-I{INCLUDE}", *shlex.split(os.environ.get("CFLAGS", ""))]


def _compile(source: str, bits: int, target: Path) -> str:
    made = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    guest = _is_guest(Path(source))
    libraries = [] if guest else ["-lm"]
    try:
        for command in _guest_compilers(bits) if guest else _compilers(bits):
            if "ziglang" in command and sys.stderr.isatty():
                print(
                    "vmemu: zig compiles; the first time that takes a minute ...", file=sys.stderr
                )
            line = [*command, *_flags(), source, "-o", str(made), *libraries]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                sys.stderr.write(done.stderr)  # warnings
                made.replace(target)
                return str(target)
            if _works(command, _FREESTANDING if guest else _HOSTED):
                shown = shlex.join([*command, *_flags(), source])
                raise CompileError(f"{source} does not compile: {shown}", done.stderr)
    finally:
        made.unlink(missing_ok=True)
    raise ConfigError(_no_compiler(bits))


def _directory(*names: str) -> Path:
    """A directory of the user's cache; ConfigError when nothing can be written there."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(caches, "vmemu", *names)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"cannot write {directory}: {reason}: export XDG_CACHE_HOME=/tmp"
        ) from None
    return directory


def _is_guest(source: Path) -> bool:
    return re.search(rb'^#include "guest\.h"', source.read_bytes(), re.MULTILINE) is not None


def _host_compiler() -> list[str]:
    """The words that call it; none where there is none."""
    own = shlex.split(os.environ.get("CC", ""))
    commands = [own] if own else [["cc"], ["gcc"]]
    return next((command for command in commands if shutil.which(command[0])), [])


def _compilers(bits: int) -> list[list[str]]:
    """The commands that may make static programs of a width, the best first."""
    found = []
    host = _host_compiler()
    if host:
        found.append([*host, f"-m{bits}", "-static"])
    if importlib.util.find_spec("ziglang") is not None:
        target = ["-target", _ZIG_TARGET[bits], "-static", "-fno-sanitize=undefined"]
        found.append([sys.executable, "-m", "ziglang", "cc", *target])
    return found


def _guest_compilers(bits: int) -> list[list[str]]:
    """The same for programs without a library, whose warnings are no errors."""
    from vmemu._build import GUEST_FLAGS, GUEST_LINK, GUEST_WIDTH

    host = _host_compiler()
    if not host:
        return []
    flags = [flag for flag in GUEST_FLAGS if flag != "-Werror"]
    return [[*host, *GUEST_WIDTH[bits], *flags, *GUEST_LINK, f"-I{GUEST_INCLUDE}"]]


def _works(command: Sequence[str], probe: str) -> bool:
    """Whether a compiler makes programs of this kind at all."""
    line = [*command, "-x", "c", "-", "-o", os.devnull]
    done = subprocess.run(line, input=probe.encode(), capture_output=True, check=False)
    return done.returncode == 0


def _no_compiler(bits: int) -> str:
    zig = f"{shlex.quote(sys.executable)} -m pip install ziglang"
    if not _host_compiler():
        named = os.environ.get("CC")
        what = f"there is no C compiler {named!r}" if named else "there is no C compiler"
        return f"{what}: as root, apt-get install gcc {_LIBRARY[bits]}; or {zig}"
    return (
        f"there is no static C library of {bits} bits: "
        f"as root, apt-get install {_LIBRARY[bits]}; or {zig}"
    )
