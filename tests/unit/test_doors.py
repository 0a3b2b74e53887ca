"""Who may know whom in the C core: memory names neither the CPU nor the explorer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
MEMORY = ("base", "page", "mm", "rmap", "swap", "reclaim", "file")
FOLDERS = (*MEMORY, "arch", "core", "watch", "cpu", "explore")
STRANGERS = re.compile(
    r'#include "(?:cpu|explore)/|\bcpu_(?!ops\b)\w+|\bexplore_\w+|(?:->|\.)(?:cpu|uc|explorer)\b'
)


def code(path: Path) -> str:
    """Without comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def includes(header: str) -> list[str]:
    return re.findall(r'^#include "(.+)"', (CSRC / header).read_text(), re.MULTILINE)


def all_included(file: str) -> set[str]:
    """What it includes, and what that includes."""
    found: set[str] = set()
    waiting = includes(file)
    while waiting:
        header = waiting.pop()
        if header not in found:
            found.add(header)
            waiting += includes(header)
    return found


def test_every_folder_has_its_declarations() -> None:
    assert sorted(path.name for path in CSRC.iterdir() if path.is_dir()) == sorted(FOLDERS)
    told = [f for f in FOLDERS if f not in ("arch", "base")]  # Python calls nothing there
    assert sorted(includes("vmemu.h")) == sorted(["structs.h", *(f"{f}/api.h" for f in told)])
    types = [f"{f}/types.h" for f in FOLDERS if (CSRC / f / "types.h").exists()]
    assert sorted(includes("structs.h")) == sorted(["arch/arch.h", *types])


def test_what_everybody_sees_is_types_and_base() -> None:
    """What a folder does, those declare to themselves who call it: vmemu.h is Python's alone."""
    files = [str(path.relative_to(CSRC)) for path in CSRC.glob("*/*.c")]
    seen = set.intersection(*map(all_included, files))
    types = {header for header in seen if header.endswith("/types.h")}
    arch = {"arch/arch.h", "arch/i386.h", "arch/x86_64.h"}
    assert seen - types - arch == {"base/base.h", "structs.h"}
    assert not any("vmemu.h" in all_included(file) for file in files)


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
    for text in (
        '#include "cpu/cpu.h"',
        "cpu_run(m);",
        "explore_step(m)",
        "m->explorer",
        "m->watch.explorer",
        "m->uc",
        "m->cpu.uc",
    ):
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
