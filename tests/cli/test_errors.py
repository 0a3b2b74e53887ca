"""What the user can mend is told in one sentence, with status 2 and without a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Vmemu
from vmemu.cli import entry
from vmemu.errors import KernelBug

Guest = Callable[[str], Path]


def _with_segment_at(program: bytes, vaddr: int) -> bytes:
    """The program with its second segment moved, against all sense, to another address."""
    phoff = int.from_bytes(program[28:32], "little")
    at = phoff + 32 + 8
    return program[:at] + vaddr.to_bytes(4, "little") + program[at + 4 :]


def _with_interpreter(program: bytes) -> bytes:
    """The program with its first segment called an interpreter's name (PT_INTERP)."""
    phoff = int.from_bytes(program[28:32], "little")
    return program[:phoff] + b"\3\0\0\0" + program[phoff + 4 :]


@pytest.fixture
def files(tmp_path: Path, guest: Guest) -> Path:
    """A directory of files that are not what they should be."""
    hello = guest("hello").read_bytes()
    program = {
        "text": b"words\n",
        "script": b"#!/nowhere/sh\n",
        "blank": b"#! \n",
        "empty": b"",
        "truncated": hello[:60],
        "cut": hello[:4200],
        "elf64": hello[:4] + b"\2" + hello[5:],
        "bigendian": hello[:5] + b"\2" + hello[6:],
        "sparc": hello[:18] + b"\2\0" + hello[20:],
    }
    program["overlap"] = _with_segment_at(hello, 0x08048000)
    program["dynamic"] = _with_interpreter(hello)
    program["other"] = hello
    program["kernel"] = _with_segment_at(hello, 0xC0000000)
    for name, data in program.items():
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o755)
    (tmp_path / "notes").write_text("no program")
    (tmp_path / "noexec").write_bytes(hello)
    (tmp_path / "noexec").chmod(0o644)
    (tmp_path / "notswap").write_bytes(bytes(1 << 16))
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


CASES = [
    # programs
    ("run /nonexistent/x", "cannot open /nonexistent/x: no such file or directory"),
    ("run helo", "there is no file and no guest 'helo' (did you mean hello?)"),
    ("run zzz", "there is no file and no guest 'zzz' (see vmemu list guests)"),
    ("run {}/text", "{}/text is not an ELF file"),
    ("run {}/blank", "{}/blank is not an ELF file"),
    ("run {}/script", "cannot open /nowhere/sh: no such file or directory"),
    ("run {}/empty", "{}/empty is not an ELF file"),
    ("run {}/truncated", "{}/truncated is truncated within its program headers"),
    ("run {}/cut", "{}/cut: segment 1 at .* beyond the end of the file, which is truncated"),
    ("run {}/overlap", "{}/overlap: segments 0 and 1 overlap"),
    ("run {}/kernel", "{}/kernel: segment 1 at .* reaches beyond the user's address space"),
    ("run {}/elf64", "{}/elf64 is not an x86-64 program (machine EM_386)"),
    ("run {}/bigendian", "{}/bigendian is not a 32-bit little-endian ELF file"),
    ("run {}/sparc", "{}/sparc is not an i386 program (machine .*)"),
    ("run {}/noexec", "{0}/noexec is not executable: chmod +x {0}/noexec"),
    ("run {}/notes", "{}/notes is not executable and not an ELF file"),
    ("run {}/dynamic", r"{}/dynamic is dynamically linked, and the machine has no '\x7fELF.*"),
    ("run --bits 64 {}/noexec", "{}/noexec is not executable: .*"),
    ("run --bits 64 {}/other", "{}/other is a 32-bit ELF file; .* programs: --bits 32, or .*"),
    ("run {}/directory", "{}/directory is a directory"),
    ("run {}/fifo", "{}/fifo is not a regular file"),
    ("show --bits 64 {}/fifo", "{}/fifo is not a regular file"),
    ("compare windows --i-mmap ,", "there is no i_mmap '': choose one of .*"),
    # machines
    ("run --rmap foo hello", "unknown rmap scheme 'foo': choose one of none, .*anonmm, .*"),
    ("run --rmap anonmm:stop hello", "anonmm takes options as OPTION=VALUE, not 'stop'"),
    ("run --rmap anonmm:stop=x hello", "stop of anonmm is mapcount or .*, not 'x'"),
    ("show --rmap anonmm:line=64 hello", "anonmm has no option 'line': it has stop"),
    ("overhead --rmap anonmm:=1", "anonmm has no option '': it has stop"),
    ("compare private-pages --rmap no:Such", "cannot load the rmap scheme 'no:Such': .*"),
    ("run --ram 100K hello", "ram of 102400 bytes is too small to boot: at least .* needed"),
    ("run --ram 2G hello", "ram may be at most 896M .*"),
    ("run --ram much hello", "ram must be a size such as .*, not 'much'"),
    ("run --ram 4097 hello", "ram must be a multiple of 4096 bytes, not '4097'"),
    ("run --swap {}/directory hello", "{}/directory is a directory, not a swap file"),
    ("run --swap {}/notswap hello", "{}/notswap exists and is not a swap file: .*"),
    ("run --swap {}/no/swap:1M hello", "cannot open swap file {}/no/swap: .*"),
    ("run --swap 4K hello", "swap of 4096 bytes is too small: .*"),
    ("run --swappiness 101 hello", "swappiness must be 0 to 100, not 101"),
    ("run --page-cluster 9 hello", "page_cluster must be 0 to 8, not 9"),
    ("run --overcommit 3 hello", "overcommit must be 0, 1 or 2, not 3"),
    ("run --seed x hello", "invalid value for '--seed': 'x' is not .* integer .*"),
    ("run --json-to {}/no/file hello", "cannot write {}/no/file: no such file or directory"),
    ("run --json-to {}/directory hello", ".*{}/directory.* is a directory.*"),
    ("explore munlock --save {}/no/file", "cannot write {}/no/file: no such file or directory"),
    ("explore munlock --save {}/directory", "cannot write {}/directory: is a directory"),
    ("run --env RED hello", "--env takes NAME=VALUE, not 'RED'"),
    ("run --set R hello", "--set takes NAME=VALUE, such as --set R=64, not 'R'"),
    ("run", "missing argument 'PROGRAM' (see vmemu run --help)"),
    ("run --colour hello", "no such option.*--colour.* (see vmemu run --help)"),
    # scenarios
    ("compare fork-sever", "unknown scenario 'fork-sever': did you mean fork-server?"),
    ("compare x", "unknown scenario 'x': choose from private-pages, .*"),
    ("compare fork-server --rmap x", "unknown rmap scheme 'x': .*"),
    ("compare fork-server --set R=x", "fork-server: R is a whole number of pages, not 'x'"),
    ("compare fork-server --set R=1.5", "fork-server: R is a whole number of pages, not '1.5'"),
    ("compare fork-server --set R=", "fork-server: R is a whole number of pages, not ''"),
    ("compare fork-server --set N=-1", "fork-server: N must be 1 to 4096, not -1"),
    ("compare fork-server --set K=1", "scenario fork-server has no parameter 'K', it has R, N"),
    ("compare mremap-data --set R=1", "scenario mremap-data has no parameter 'R', it has none"),
    ("compare --set Q=1", "none of the scenarios has a parameter 'Q'"),
    ("compare fork-server --set =1", "--set takes NAME=VALUE, such as --set R=64, not '=1'"),
    ("compare efault --set mode=odd", "efault: mode is halves or checkerboard, not 'odd'"),
    ("compare fork-server --ram 1K", "ram must be a multiple of 4096 bytes, not '1K'"),
    (
        "compare private-pages --set PAGES=3000 --ram 1M --swap none --overcommit 1",
        "scenario private-pages under anonmm: its guest was killed by SIGKILL .*",
    ),
    (
        "compare private-pages --set PAGES=3000 --ram 1M --swap none --overcommit 2",
        "scenario private-pages under anonmm: its guest ended with status 1 .*",
    ),
    # the rest
    ("overhead --set R=1", "overhead has no parameter 'R', it has K, M, P, D"),
    ("overhead --set K=some", "K is a whole number of vmas, not 'some'"),
    ("overhead --set K=100000", "K must be 2 to 32768, not 100000"),
    ("overhead --rmap x", "unknown rmap scheme 'x': .*"),
    ("overhead --ram 1M", "the guest overhead K=1024 mode=own failed under none: .*"),
    ("list everything", "invalid value for .*'everything' is not one of .*"),
    (
        "explode",
        "there is no command 'explode': choose one of run, show, who, compare, overhead, .*",
    ),
    ("explore", "missing SCENARIO; --list shows them .*"),
    ("explore nothing", "unknown exploration 'nothing': choose one of mlock-vs-unmap, .*"),
    ("explore munlock --set PAGE=1", "munlock has no parameter PAGE (PAGES)"),
    ("explore munlock --set PAGES=two", "--set PAGES takes a number, not 'two'"),
    ("explore munlock --mutate e", "mutation e is no mutation: .*"),
    ("explore munlock --mutate x", "there is no mutation 'x': choose from a, b, c, d, f, g, h"),
    ("explore munlock --rmap x", "unknown rmap scheme 'x': .*"),
    ("explore munlock --vm-flags-lock x", "vm-flags-lock must be mmap_sem or page_table_lock, .*"),
    ("explore --list --report {}/x.html", "--list runs nothing that a report could show"),
    ("explore munlock --random 9 --preemptions 1", "--random cannot be combined .*"),
    ("explore --replay {}/absent", "cannot read {}/absent: No such file or directory"),
    ("explore --replay {}/text", "{}/text is not a schedule: it is not JSON"),
]


CASES += [
    (command.format(bits), f"bits must be 32 (i386) or 64 (x86-64), not {bits}")
    for command in (
        "run --bits {} hello",
        "run --bits {} helo",
        "run --bits {} {{}}/text",
        "compare --bits {} fork-server",
        "overhead --bits {}",
    )
    for bits in (0, 16, 33, -1)
]


@pytest.mark.parametrize(("command", "sentence"), CASES, ids=[command for command, _ in CASES])
def test_one_sentence_and_status_2(vmemu: Vmemu, files: Path, command: str, sentence: str) -> None:
    done = vmemu(command.format(files))
    pattern = ".*".join(map(re.escape, sentence.format(files).split(".*")))
    assert done.status == 2
    assert done.out == ""
    assert re.fullmatch(f"vmemu: {pattern}\n", done.err)


def test_arguments_too_long(vmemu: Vmemu) -> None:
    done = vmemu("run", "hello", *["x" * 1000] * 2140)
    assert done.status == 2
    assert done.err.startswith("vmemu: argument list too long: ")
    assert len(done.err.splitlines()) == 1


def test_a_bug_of_vmemu_has_a_status_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise KernelBug("mapcount of page 7 is 2, recomputed 1")

    monkeypatch.delenv("VMEMU_DEBUG", raising=False)
    assert entry.guarded(fail) == 70
    assert capsys.readouterr().err == ("vmemu: kernel bug: mapcount of page 7 is 2, recomputed 1\n")
    monkeypatch.setenv("VMEMU_DEBUG", "1")
    assert entry.guarded(fail) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_exception_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.guarded(lambda: 1 // 0) == 70
    err = capsys.readouterr().err
    assert err.startswith("vmemu: internal error: ZeroDivisionError: ")
    assert len(err.splitlines()) == 1


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vmemu", "run", "/nonexistent"],
        env={**os.environ, "VMEMU_DEBUG": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "vmemu: cannot open /nonexistent: no such file or directory\n"
