"""How programs start, static and dynamic, and by a script: the same here and on the host."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Vmemu
from tests.linked import linked
from vmemu.kernel.program.script import BINPRM_BUF_SIZE, MAX_INTERPRETERS
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("starts.c")
KINDS = {
    "static": ("-static",),
    "static-pie": ("-static-pie", "-fPIE"),
    "pie": ("-pie", "-fPIE"),
    "fixed": ("-no-pie",),
}
ENVIRONMENT = {"COLOUR": "red", "EMPTY": ""}

Build = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function from a kind and a width to the program; it skips without a library."""
    directory = tmp_path_factory.mktemp("starts")

    def program(kind: str, bits: int) -> Path:
        path = directory / f"{kind}-{bits}"
        if not path.exists():
            linked(SOURCE, path, bits, *KINDS[kind])
        return path

    return program


def here_and_there(
    bits: int, argv: list[str], rmap: str = "anon_vma", ram: str = "16M"
) -> tuple[bytes, int]:
    """What it prints and its status, natively the same; libraries are the host's own.

    The guest's /tmp is its own, so where the program lies is bound.
    """
    native = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, check=False)
    out, binds = io.BytesIO(), [str(Path(argv[0]).parents[1])]  # those of all tests
    with Machine(bits=bits, rmap=rmap, ram=ram, root="/", binds=binds) as machine:
        machine.spawn(argv[0], argv, ENVIRONMENT, stdin=None, stdout=out, inside=True)
        status = machine.run().exit_status
        machine.check()
    assert out.getvalue() == native.stdout
    assert status == native.returncode
    return native.stdout, status


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_program(build: Build, kind: str, bits: int) -> None:
    path = str(build(kind, bits))
    out, status = here_and_there(bits, [path, "one", "", "three"])
    assert status == 7
    assert b"entry mine\n" in out
    assert (b"loader yes\n" in out) == (not kind.startswith("static"))


@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma"])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_in_little_memory(build: Build, bits: int, rmap: str) -> None:
    path = str(build("pie", bits))
    here_and_there(bits, [path, "exec", path, "one"], rmap, "1M")


@pytest.mark.parametrize("bits", [32, 64])
def test_what_execs_what(build: Build, bits: int) -> None:
    kinds = {kind: str(build(kind, bits)) for kind in KINDS}
    for first, second in (("static", "pie"), ("pie", "static"), ("fixed", "static-pie")):
        here_and_there(bits, [kinds[first], "exec", kinds[second], first])


SCRIPTS = {
    "plain": b"#!{}\n",
    "argument": b"#!{} an argument \t\n",
    "blanks": b"#! \t {}\t\tone two\n",
    "no newline": b"#!{}",
    "no newline and argument": b"#!{} one",
    "zero": b"#!{} one\0two\n",
    "zero in path": b"#!{}\0one\n",
    "nothing": b"#!",
    "blank": b"#!  \n",
    "nothing before zero": b"#!\0\n",
    "missing": b"#!/nowhere/at/all\n",
    "directory": b"#!/tmp\n",
    "not executable": b"#!/etc/passwd\n",
    "not absolute": b"#!nothing\n",
    "carriage return": b"#!{}\r\n",
    "long argument": b"#!{} " + b"x" * 300 + b"\n",
    "long path": b"#!/" + b"x/" * 200 + b"\n",
    "long blanks": b"#!" + b" " * 300 + b"{}\n",
    "blanks to the end": b"#!{}" + b" " * 300 + b"one\n",
    "text": b"echo\n",
    "hash": b"#",
    "one short": b"#!{}",
}


@pytest.mark.parametrize("bits", [32, 64])
def test_scripts(build: Build, tmp_path: Path, bits: int) -> None:
    program = str(build("static", bits))
    for name, text in SCRIPTS.items():
        path = tmp_path / name.replace(" ", "-")
        path.write_bytes(text.replace(b"{}", program.encode()))
        path.chmod(0o755)
        here_and_there(bits, [program, "exec", str(path), "one", "two"])


@pytest.mark.parametrize("length", [BINPRM_BUF_SIZE + n for n in (-2, -1, 0, 1, 2)])
@pytest.mark.parametrize("end", [b"", b"\n", b" "])
def test_a_script_at_the_end_of_what_is_read(
    build: Build, tmp_path: Path, length: int, end: bytes
) -> None:
    """Its first line, of so many bytes, names a program whose path is as long."""
    program = build("static", 64)
    room = length - len(b"#!") - len(str(tmp_path)) - len("/") - len(end)
    linked = tmp_path / ("x" * room)
    linked.symlink_to(program)
    path = tmp_path / "script"
    path.write_bytes(b"#!" + bytes(linked) + end)
    path.chmod(0o755)
    here_and_there(64, [str(program), "exec", str(path), "one"])


@pytest.mark.parametrize("depth", [2, MAX_INTERPRETERS, MAX_INTERPRETERS + 1])
def test_scripts_that_interpret_scripts(build: Build, tmp_path: Path, depth: int) -> None:
    program = str(build("static", 64))
    interpreter = program
    for number in range(depth):
        path = tmp_path / f"script{number}"
        path.write_text(f"#!{interpreter} number{number}\n")
        path.chmod(0o755)
        interpreter = str(path)
    out, _ = here_and_there(64, [program, "exec", interpreter, "one"])
    assert (out == b"errno 40\n") == (depth > MAX_INTERPRETERS)


def test_a_program_without_its_loader(build: Build, tmp_path: Path) -> None:
    """Whose path is as long as paths may be, and names nothing."""
    program = build("pie", 64).read_bytes()
    loader = b"/lib64/ld-linux-x86-64.so.2"
    assert program.count(loader) == 1
    broken = tmp_path / "broken"
    broken.write_bytes(program.replace(loader, b"/nowhere" + loader[8:]))
    broken.chmod(0o755)
    out, _ = here_and_there(64, [str(build("static", 64)), "exec", str(broken)])
    assert out == b"errno 2\n"


@pytest.mark.parametrize("bits", [32, 64])
def test_the_width_of_a_script_is_its_interpreters(
    build: Build, tmp_path: Path, vmemu: Vmemu, bits: int
) -> None:
    """In a root; the host's path is of no interest."""
    shutil.copy(build("static", bits), tmp_path / "program")
    (tmp_path / "inner").write_text("#!/program one\n")
    (tmp_path / "outer").write_text("#!/inner two\n")
    for name in ("inner", "outer"):
        (tmp_path / name).chmod(0o755)
    done = vmemu("run", "--root", str(tmp_path), "/outer", "three")
    assert done.status == 7
    said = ["/program", "one", "/inner", "two", "/outer", "three"]
    assert done.out.startswith("".join(f"argv[{n}] {word}\n" for n, word in enumerate(said)))
    assert "comm outer, exe /program\n" in done.out
