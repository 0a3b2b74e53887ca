"""The public face: stepping, iterating, and what cannot be made."""

from __future__ import annotations

import io

import pytest

from vmemu import ConfigError, Machine


def test_step_goes_from_event_to_event(guest):
    out = io.BytesIO()
    with Machine(ram="1M") as machine:
        assert machine.step() is None  # nothing to run
        machine.spawn(guest("hello"), ["hello"], stdout=out)
        seen = []
        while (what := machine.step()) is not None:
            seen.append(what)
        assert machine.step() is None
    # hello writes, and exits.
    assert seen == ["syscall", "exit"]
    assert out.getvalue()


def test_processes_vmas_and_pages_can_be_looked_at(guest):
    with Machine(ram="2M") as machine:
        found = {}

        def look(task, name, address, length):
            areas = [vma for vma in machine.vmas(task) if vma.start <= address < vma.end]
            pages = [
                page for page in machine.pages(task) if address <= page.address < address + length
            ]
            found[name] = (machine.processes, areas, pages)

        machine.kernel.on_mark = look
        machine.spawn(guest("touch"), ["touch", "PAGES=8"], stdout=io.BytesIO())
        machine.run()
    processes, areas, pages = found["measure"]
    assert [process.comm for process in processes] == ["touch"]
    assert [area.perms for area in areas] == ["rw-p"]
    assert len(pages) == 8
    assert all(page.anon and page.dirty and page.mapcount == 1 for page in pages)
    # Only read so far: the zero page, which no map counts.
    assert all(not page.anon and page.mapcount == 0 for page in found["read"][2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ram": "64K"}, "too small to boot"),
        ({"bits": 32, "ram": "2G"}, "at most 896M"),
        ({"ram": "lots"}, "ram must be a size"),
        ({"ram": 5000}, "multiple of 4096"),
        ({"cpus": 2}, "cpus must be 1"),
        ({"rmap": "no_such"}, "unknown rmap scheme 'no_such': choose one of"),
        ({"page_cluster": 9}, "page_cluster must be 0 to 8"),
        ({"swappiness": 101}, "swappiness must be 0 to 100"),
        ({"overcommit": 3}, "overcommit must be 0, 1 or 2"),
        ({"cache_line": 48}, "cache_line must be"),
        ({"events": 1000}, "power of two"),
        ({"min_free_pages": 100_000}, "leaves no room"),
        ({"fault_path": "rust"}, "fault_path must be c or python"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(options, message):
    with pytest.raises(ConfigError, match=message):
        Machine(**options)
