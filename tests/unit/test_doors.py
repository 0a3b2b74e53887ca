"""Who may know whom in the C core: memory names neither the CPU nor the explorer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
MEMORY = ("base", "page", "mm", "rmap", "swap", "reclaim", "file")
FOLDERS = (*MEMORY, "arch", "core", "watch", "cpu", "explore")
STRANGERS = re.compile(
    r'#include "(?:cpu|explore)/|\bcpu_(?!ops\b)\w+|\bexplore_\w+|->(?:cpu|uc|explorer)\b'
)


def code(path: Path) -> str:
    """Without comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def test_every_folder_has_its_declarations() -> None:
    assert sorted(path.name for path in CSRC.iterdir() if path.is_dir()) == sorted(FOLDERS)
    assert [f for f in FOLDERS if f != "arch" and not (CSRC / f / "api.h").exists()] == []
    includes = re.findall(r'#include "(.+)"', (CSRC / "vmemu.h").read_text())
    assert sorted(includes) == sorted(["arch/arch.h", *(f"{f}/api.h" for f in FOLDERS[:7]),
                                       *(f"{f}/api.h" for f in FOLDERS[8:])])  # fmt: skip


@pytest.mark.parametrize("folder", [*MEMORY, "watch"])
def test_memory_and_locks_know_neither_cpu_nor_explorer(folder: str) -> None:
    """What they ask of them goes through struct cpu_ops and struct watcher."""
    allowed = {("mm", "cpu_vm_mask")}  # a field of mm_struct
    found = [
        f"{path.relative_to(CSRC)}: {match[0]}"
        for path in sorted(CSRC.glob(f"{folder}/*.[ch]"))
        for match in STRANGERS.finditer(code(path))
        if (folder, match[0]) not in allowed
    ]
    assert found == []


def test_it_would_notice() -> None:
    for text in ('#include "cpu/cpu.h"', "cpu_run(m);", "m->explorer", "explore_step(m)", "m->uc"):
        assert STRANGERS.search(text)
    for text in ("m->cpu_ops->exact_fault(m);", "m->watcher->step(m)", "explored(m)"):
        assert not STRANGERS.search(text)


def test_a_folder_s_declarations_name_no_function_twice() -> None:
    declared: dict[str, str] = {}
    for path in sorted(CSRC.glob("*/*.h")):
        for name in re.findall(r"^[a-z][\w \t*]*?\b(\w+)\([^;{]*\);", code(path), re.MULTILINE):
            where = str(path.relative_to(CSRC))
            assert declared.setdefault(name, where) == where, f"{name} in {where} as well"
    assert len(declared) > 150
