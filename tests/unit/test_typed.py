"""What mypy and an editor know of the core, of kernel structs and of statistics."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.width import ffi
from vmemu import stubs, typed

ROOT = Path(__file__).parents[2]

SCRIPT = """
from vmemu import Machine
from vmemu.lab.guests import guest_path
from vmemu.rmap.python import Candidate, PythonScheme
from vmemu.typed import page, vm_area_struct


class Mine(PythonScheme):
    name = "mine"

    def page_moved(self, page: page, vma: vm_area_struct, address: int) -> bool:
        reveal_type(page.mapcount)
        return page.mapcount == 1 and vma.vm_start <= address

    def candidates(self, page: page) -> list[Candidate]:
        return []


with Machine(ram="16M", rmap=Mine) as machine:
    task = machine.spawn(guest_path("hello"), stdout=None)
    for vma in task.mm.vmas():
        reveal_type(vma.vm_flags)
        reveal_type(vma.vm_rb.rb_left)
    reveal_type(task.mm.ptr.rss)
    reveal_type(machine.core.page(7).mapcount)
    reveal_type(machine.stats()["faults"]["minor"])
    reveal_type(machine.stats()["slabs"]["mm_struct"]["bytes"])
    reveal_type(machine.stats()["swap"]["in"])
"""


def mypy(script: Path) -> str:
    """What ``mypy --strict`` says of a user's script."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", str(script)]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=script.parent, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_users_script_finds_the_types(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    found = re.findall(r'Revealed type is "(.*)"', mypy(script))
    assert len(found) == SCRIPT.count("reveal_type")
    assert {kind.removeprefix("builtins.") for kind in found} == {"int"}
    script.write_text(SCRIPT.replace("reveal_type(", "str(").replace("vm_flags", "vm_flugs"))
    told = mypy(script)
    assert '"vm_area_struct" has no attribute "vm_flugs"' in told
    assert "Found 1 error in 1 file" in told


@pytest.mark.parametrize("module", stubs.MODULES)
def test_the_stubs_are_those_of_the_cores(module: str) -> None:
    written = (ROOT / "vmemu" / f"{module}.pyi").read_text()
    assert written == stubs.stub(module), "run `python -m vmemu.stubs`"


def test_the_command_says_what_is_out_of_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert stubs.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_the_command_tells_of_stubs_that_are_stale_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stubs, "__file__", str(tmp_path / "stubs.py"))
    stale, good = tmp_path / "_core32.pyi", tmp_path / "_core64.pyi"
    stale.write_text("stale")
    good.write_text(stubs.stub("_core64"))
    assert stubs.main(["--check"]) == 1
    assert capsys.readouterr().out == "_core32.pyi is not what the core declares\n"
    assert stale.read_text() == "stale"
    assert stubs.main([]) == 0
    assert capsys.readouterr().out == f"wrote {stale}\n"
    assert stale.read_text() == stubs.stub("_core32")
    assert stubs.main(["--check"]) == 0


def test_every_struct_and_field_is_in_the_stub() -> None:
    text = stubs.stub("_core32")
    fields = ffi.typeof("struct page").fields
    assert fields is not None
    told = text[text.index("class page(Struct):") :].partition("\nclass ")[0]
    assert re.findall(r"^    (\w+):", told, re.MULTILINE) == [name for name, _ in fields]


def test_the_names_can_be_imported() -> None:
    """At run time they are what every struct is."""
    zero = ffi.new("struct page *")
    for name in typed.__all__:
        cls = getattr(typed, name)
        assert not name.islower() or isinstance(zero, cls)
