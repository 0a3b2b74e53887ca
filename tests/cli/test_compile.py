"""vmemu run prog.c: what is compiled, with what, and what is said when it cannot be."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Vmemu
from vmemu.lab import compiling

ROOT = Path(__file__).parents[2]

PROGRAM = """\
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vmemu.h>

int main(int argc, char **argv)
{
	int *numbers = malloc(4 * sizeof(int)), status;

	numbers[3] = sizeof(long) * 8;
	if (fork() == 0)
		exit(numbers[3]);
	wait(&status);
	printf("%s %d %d %g %d\\n", argv[argc - 1], argc, WEXITSTATUS(status), sqrt(argc * 8),
		vmemu_inside());
	return 3;
}
"""
WARNS = "int main(void) { int unused; return 0; }\n"
WRONG = "int main(void) { return nothing; }\n"
GUEST = """\
/* mine: one's own, without a library. */
#include "guest.h"
#include <vmemu.h>

#define SAME(name, number) _Static_assert((int)VMEMU_##name == (int)number, "the same call")
SAME(CALL, NR_lab);
SAME(MARK, LAB_MARK);
SAME(RECLAIM, LAB_RECLAIM);
SAME(COUNTER, LAB_COUNTER);
SAME(CHECK, LAB_CHECK);
SAME(TRIM, LAB_TRIM);

int main(int argc, char **argv)
{
	int unused;

	say("mine: %d bits, %u, inside %d %d\\n", (int)sizeof(long) * 8, param(argc, argv, "N", 1),
		vmemu_inside(), in_lab());
	return 0;
}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, but zig's, which takes a minute to fill; and plain settings."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(ROOT / "build" / "zig"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CC", "CFLAGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def no_zig(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package ziglang not be there."""
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "ziglang" else there(name, *more),
    )


def source(text: str, name: str = "prog.c") -> str:
    Path(name).write_text(text)
    return name


def compiler(directory: Path, script: str) -> str:
    """A compiler that does what a script says."""
    path = directory / "mycc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def makes(bits: int) -> bool:
    """Whether something here makes static programs of a width."""
    line = ["gcc", f"-m{bits}", "-static", "-x", "c", "-", "-o", os.devnull]
    program = b'#include <stdio.h>\nint main(void) { return puts("") < 0; }\n'
    done = subprocess.run(line, input=program, capture_output=True, check=False)
    return done.returncode == 0 or importlib.util.find_spec("ziglang") is not None


@pytest.mark.parametrize("bits", [32, 64])
def test_a_source_is_compiled_and_run(vmemu: Vmemu, bits: int) -> None:
    if not makes(bits):
        pytest.skip(f"there is no static C library of {bits} bits")
    done = vmemu(f"run --bits {bits} {source(PROGRAM)} one")
    assert done == (3, f"one 2 {bits} 4 1\n", "")


def test_without_bits_it_is_the_hosts_and_called_as_the_program_would_be(vmemu: Vmemu) -> None:
    assert vmemu(f"run {source(PROGRAM)}").out == "prog 1 64 2.82843 1\n"
    (Path() / "sub dir").mkdir()
    assert vmemu("run", source(PROGRAM, "sub dir/own.c")).out.startswith("sub dir/own 1 64 ")


def test_every_run_of_it_is_the_same(vmemu: Vmemu, cache: Path) -> None:
    """The program's path shows in /proc/PID/maps; nothing else is left behind."""
    name = source(PROGRAM)
    first, second = (vmemu(f"run --maps-at-exit {name}") for _ in range(2))
    assert first == second
    (made,) = [path for path in cache.rglob("*") if path.is_file()]
    assert made.name == "prog"
    assert str(made) in first.err


def test_a_guest_of_ones_own(vmemu: Vmemu) -> None:
    """Its warnings are no errors, unlike those of shipped guests."""
    name = source(GUEST)
    for bits in (32, 64):
        done = vmemu(f"run --bits {bits} {name} N=7")
        assert done.out == f"mine: {bits} bits, 7, inside 1 1\n"
        assert "unused variable" in done.err


@pytest.mark.native
def test_a_guest_of_ones_own_on_the_host(cache: Path) -> None:
    program = compiling.compile_program(source(GUEST), 64)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.stdout == "mine: 64 bits, 1, inside 0 0\n"


def test_shipped_sources_compile_where_they_are(vmemu: Vmemu) -> None:
    shutil.copy(ROOT / "vmemu" / "guests_bin" / "bench.c", "other.c")
    assert vmemu("run other.c int N=2 REP=1").out == "bench: int done\n"


def test_warnings_are_shown_and_cflags_count(vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vmemu(f"run {source(WARNS)}").err == ""
    monkeypatch.setenv("CFLAGS", "-Wall -O1")
    done = vmemu(f"run {source(WARNS)}")
    assert done.status == 0
    assert "unused variable" in done.err


def test_errors_are_the_compilers(vmemu: Vmemu) -> None:
    done = vmemu(f"run {source(WRONG)}")
    assert (done.status, done.out) == (2, "")
    *shown, last = done.err.splitlines()
    assert "prog.c:1:25: error: " in "\n".join(shown)
    assert "nothing" in "\n".join(shown)
    told = re.fullmatch(r"vmemu: prog\.c does not compile: (cc -m64 -static -I\S+ prog\.c)", last)
    assert told
    again = subprocess.run(told[1].split(), capture_output=True, text=True, check=False)
    assert "prog.c:1:25: error: " in again.stderr


def test_cc_is_the_compiler(vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = compiler(tmp_path, 'echo "this is mine" >&2; exec cc "$@"')
    monkeypatch.setenv("CC", mine)
    done = vmemu(f"run {source(PROGRAM)}")
    assert (done.status, done.err) == (3, "this is mine\n")


def test_cc_may_be_several_words(
    vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As make takes it: a wrapper, an option."""
    mine = compiler(tmp_path, 'echo "wraps $1 $2" >&2; exec "$@"')
    monkeypatch.setenv("CC", f"{mine} gcc -O1")
    for text, status in ((PROGRAM, 3), (GUEST, 0)):
        done = vmemu(f"run {source(text)}")
        assert done.status == status
        assert "wraps gcc -O1\n" in done.err


NO_LIBRARY = 'case "$*" in *-m32*) echo "cannot find crt1.o" >&2; exit 1;; esac; exec cc "$@"'


@pytest.mark.usefixtures("no_zig")
def test_no_library_of_32_bits(
    vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", compiler(tmp_path, NO_LIBRARY))
    assert vmemu(f"run {source(PROGRAM)}").status == 3
    assert vmemu(f"run --bits 32 {source(PROGRAM)}").err == (
        "vmemu: there is no static C library of 32 bits: as root, apt-get install gcc-multilib; "
        f"or {sys.executable} -m pip install ziglang\n"
    )


def test_zig_where_the_host_has_no_library(
    vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("there is no musl (pip install ziglang)")
    monkeypatch.setenv("CC", compiler(tmp_path, NO_LIBRARY))
    assert vmemu(f"run --bits 32 {source(PROGRAM)}").out == "prog 1 32 2.82843 1\n"
    done = vmemu(f"run --bits 32 {source(WRONG)}")
    assert done.status == 2
    assert "error: " in done.err
    assert "ziglang cc -target x86-linux-musl" in done.err.splitlines()[-1]


@pytest.mark.usefixtures("no_zig")
@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [("PATH", "/nowhere", "no C compiler"), ("CC", "nocc", "no C compiler 'nocc'")],
)
@pytest.mark.parametrize("text", [PROGRAM, GUEST], ids=["hosted", "guest"])
def test_no_compiler(
    vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, what: str, text: str
) -> None:
    monkeypatch.setenv(variable, value)
    done = vmemu(f"run {source(text)}")
    assert (done.status, done.out) == (2, "")
    cure = f"as root, apt-get install gcc libc6-dev; or {sys.executable} -m pip install ziglang"
    assert done.err == f"vmemu: there is {what}: {cure}\n"


def test_nowhere_to_put_it(vmemu: Vmemu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    done = vmemu(f"run {source(PROGRAM)}")
    assert done.status == 2
    assert done.err.startswith("vmemu: cannot write /dev/null/vmemu/prog-")
    assert done.err.endswith(": not a directory: export XDG_CACHE_HOME=/tmp\n")


def test_a_source_that_is_not_there(vmemu: Vmemu) -> None:
    assert vmemu("run absent.c").err == "vmemu: cannot open absent.c: no such file or directory\n"


def test_include_dir(vmemu: Vmemu) -> None:
    """The README's way by hand."""
    done = vmemu("include-dir")
    assert done.err == ""
    line = ["cc", "-static", f"-I{done.out.strip()}", source(PROGRAM), "-lm"]
    subprocess.run(line, check=True)
    assert vmemu("run ./a.out").out == "./a.out 1 64 2.82843 1\n"


def test_include_dir_of_guests(vmemu: Vmemu) -> None:
    """What docs/write-a-scenario.md has, by hand."""
    done = vmemu("include-dir --guest")
    assert done.err == ""
    line = ["gcc", "-m64", "-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic"]
    line += ["-fno-stack-protector", f"-I{done.out.strip()}", f"-I{compiling.INCLUDE}"]
    subprocess.run([*line, source(GUEST)], check=True)
    assert vmemu("run ./a.out N=7").out == "mine: 64 bits, 7, inside 1 1\n"


def test_the_header_is_c_and_cxx() -> None:
    for language, standard in (("c", "c99"), ("c", "c23"), ("c++", "c++11"), ("c++", "c++20")):
        if language == "c++" and shutil.which("g++") is None:
            continue
        line = ["gcc", "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror"]
        line += ["-pedantic", "-fsyntax-only", str(compiling.INCLUDE / "vmemu.h")]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if "unrecognized command-line option" not in done.stderr:
            assert done.returncode == 0, done.stderr
