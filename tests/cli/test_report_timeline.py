"""vmemu explore --report: counterexamples drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

from markup import SVG, cells, classed, headings, listing, parsed, said, words

from tests.command import Vmemu
from vmemu.explore.timeline import Access, Row
from vmemu.report import timeline
from vmemu.report.conflicts import Kind, conflicts
from vmemu.report.spans import spans

B = "explore mlock-vs-unmap --mutate b --rmap anonmm"


def test_a_counterexample_is_drawn(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "b.html"
    done = vmemu(f"{B} --report {path}")
    root = parsed(path)
    (picture,) = root.iter(f"{SVG}svg")
    printed = [line.strip() for line in done.out.splitlines() if re.match(r" +\d+  ", line)]
    marks = classed(picture, "mark")
    assert len(printed) > 30
    assert [f"{words(m)[0]} {words(m)[1]}" for m in marks] == [
        re.sub(r"^(\d+) +", r"\1 ", line) for line in printed
    ]
    lanes = classed(picture, "lane")
    assert [words(lane) for lane in lanes] == [["mlock"], ["reclaim"]]
    problem = "the page at 0x40001000 is locked and not in memory"
    assert problem in words(classed(picture, "verdict")[0])
    assert f"VIOLATION: {problem}" in done.out
    (fatal,) = (mark for mark in marks if "fatal" in mark[-1].get("class", ""))
    assert words(fatal)[1] == "pte 0x40001000: empty → swap slot 2"
    assert done.out.split("\n\n")[1].splitlines()[:-1] == [
        f"  {line}".rstrip() for line in "".join(listing(root, "The same")).splitlines()
    ]


def test_what_one_path_read_and_another_changed_is_joined(vmemu: Vmemu, tmp_path: Path) -> None:
    """The lines of mutation b: reclaim's look at vm_flags, mlock's at the page it loses."""
    path = tmp_path / "b.html"
    vmemu(f"{B} --report {path}")
    (picture,) = parsed(path).iter(f"{SVG}svg")
    row = {float(m[0].get("y", "0")) - 3.5: words(m) for m in classed(picture, "mark")}
    joined = []
    for link in picture:
        if link.get("class") == "link outdates":
            heights = re.fullmatch(r"M\S+ ([\d.]+)H.* ([\d.]+)H[\d.]+", link.get("d", ""))
            assert heights
            joined.append([row[float(height)][1] for height in heights.groups()])
    assert joined == [
        [
            "read vm_flags at 0x40000000: rw",
            "vm_flags at 0x40000000: rw → rw locked",
        ],
        [
            "read pte 0x40001000: present rw",
            "write pte 0x40001000: present rw",
        ],
    ]


def test_every_line_of_text_stays_clear_of_the_others(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "k.html"
    vmemu(f"explore mlockall-fork --mutate b --rmap anonmm --full --report {path}")
    (picture,) = parsed(path).iter(f"{SVG}svg")
    width = float(picture.get("width", "0"))
    boxes = []
    for text in picture.iter(f"{SVG}text"):
        kind = text.get("class", "")
        if kind in ("number", "held", "title"):
            continue
        size = timeline.CHAR * len("".join(text.itertext()))
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        boxes.append((x, y, x + size))
        assert x + size <= width
    for i, (x, y, end) in enumerate(boxes):
        for other, below, until in boxes[:i]:
            assert abs(y - below) >= 12 or end <= other or until <= x


def test_a_deadlock_shows_who_waits_for_what(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "h.html"
    assert vmemu(f"explore mlock-vs-unmap --mutate h --rmap anonmm --report {path}").status == 1
    (picture,) = parsed(path).iter(f"{SVG}svg")
    (waits,) = classed(picture, "wait-mark")
    assert words(waits) == ["waits for page_table_lock"]
    assert len([e for e in picture if e.get("class") == "link awaits"]) == 1
    assert len([e for e in picture if e.get("class") == "link refused"]) == 1
    problem = "self-deadlock: mlock waits for page_table_lock, which it holds"
    assert words(classed(picture, "verdict")[0])[1] == problem


def test_a_lane_for_each_of_three_paths(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "k.html"
    vmemu(f"explore mlockall-fork --mutate b --rmap anonmm --report {path}")
    (picture,) = parsed(path).iter(f"{SVG}svg")
    assert [words(lane)[0] for lane in classed(picture, "lane")] == ["mlockall", "fork", "reclaim"]


def test_replayed_in_full(vmemu: Vmemu, tmp_path: Path) -> None:
    """What the report says repeats it does, from the schedule inside the report as well."""
    found, again = tmp_path / "found.html", tmp_path / "again.html"
    vmemu(f"explore munlock --mutate d --rmap anonmm --report {found}")
    root = parsed(found)
    command = listing(root, "This command").strip().split()
    assert command[:3] == ["vmemu", "explore", "--replay"]
    (schedule,) = ("".join(e[1].itertext()) for e in root.iter("details"))
    file = tmp_path / command[3]
    file.write_text(schedule)
    done = vmemu(f"explore --replay {file} --full --report {again}")
    assert done.status == 1
    (picture,) = parsed(again).iter(f"{SVG}svg")
    assert len(classed(picture, "mark")) == len(json.loads(schedule)["choices"])
    assert "VM_LOCKED is still set" in words(classed(picture, "verdict")[0])


def test_no_violation_is_said_for_each_scenario_and_scheme(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "ok.html"
    command = "explore munlock gup-vs-reclaim --rmap anonmm --rmap anon_vma"
    assert vmemu(f"{command} --report {path}").status == 0
    root = parsed(path)
    (overview,) = classed(root, "overview")
    assert headings(overview) == ["scenario", "anonmm", "anon_vma"]
    rows = cells(overview)
    assert [row[0] for row in rows] == ["munlock", "gup-vs-reclaim"]
    for mark in (cell for row in rows for cell in row[1:]):
        assert re.match(r"holds [\d,]+ interleavings \(all that matter\)", mark)
    assert said(classed(root, "verdict")[0]).startswith("What must hold holds. None of ")
    assert "Not locked, not lost." in path.read_text()
    assert not list(root.iter(f"{SVG}svg"))


def test_the_explorer_runs_without_reports() -> None:
    """Only a report that is asked to draw itself loads what draws."""
    for path in (Path(timeline.__file__).parents[1] / "explore").glob("*.py"):
        assert not re.search(r"^(from|import) vmemu\.report", path.read_text(), re.MULTILINE)


def row(number: int, path: int, access: Access, what: int = 0, lock: str = "") -> Row:
    return Row(number, path, "", access, (0, what), "thing", lock, False, number != 1)


def test_a_line_leads_to_the_first_step_that_depends() -> None:
    W, R, A = Access.WRITE, Access.READ, Access.ADD
    steps = [(0, W), (1, R), (1, R), (2, A), (0, A), (0, R), (1, W)]
    found = [
        (c.earlier, c.later, c.kind)
        for c in conflicts([row(i, path, access) for i, (path, access) in enumerate(steps)])
    ]
    assert found == [
        (0, 1, Kind.SEES),  # and not again in 2
        (2, 3, Kind.OUTDATES),
        (0, 3, Kind.OVERWRITES),
        (2, 4, Kind.OUTDATES),  # and none from 3: additions do not mind each other
        (3, 5, Kind.SEES),
        (5, 6, Kind.OUTDATES),  # the last step of path 0
        (3, 6, Kind.OVERWRITES),  # and of path 2
    ]
    assert not list(conflicts([row(0, 0, W, what=1), row(1, 1, R, what=2)]))


def test_locks_are_held_from_taking_to_giving_back() -> None:
    """Row 1 is not shown, so what it begins starts between rows 0 and 1 of those shown."""
    L, U = Access.LOCK, Access.UNLOCK
    steps = [
        row(0, 0, L, 1, "mmap_sem"),
        row(1, 0, L, 2, "page_table_lock"),
        row(2, 0, Access.READ, 3),
        row(3, 0, U, 2, "page_table_lock"),
        row(4, 1, L, 2, "page_table_lock"),
        row(5, 0, U, 1, "mmap_sem"),
        row(6, 0, L, 4, "lru_lock"),
    ]
    found = spans(steps, [step for step in steps if step.matters])
    assert [(s.path, s.lock, s.begin, s.end, s.released, s.track) for s in found] == [
        (0, "mmap_sem", 0, 4, True, 0),
        (0, "page_table_lock", 0.5, 2, True, 1),
        (1, "page_table_lock", 3, 5.5, False, 0),
    ]
