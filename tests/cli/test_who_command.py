"""vmemu who: what is printed, drawn and refused."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command import Vmemu
from vmemu.rmap import builtin

COUSINS = "who --at measure --addr 40001000 --ram 1M --swap 1M {} cousins"
FINDING = [name for name, scheme in builtin().items() if scheme.finds_anon]

#: What the walk of each comes to: the process, what becomes of the candidate, where.  From the
#: descriptions of the schemes in docs/schemes.md; 100 read the page first, 102 before 103.
#:
#: pte_chain: a pte comes to the front of the list, and mremap rewrites it where it stands.  anonmm:
#: the ring begins at the mm that read the page first; mremap had to copy.  anon_vma: a list has the
#: newest area first, mremap's.  anon_vma_chain: what comes back from swap is the oldest anon_vma's,
#: whose list has the newest area last; in a tree, too, if they begin at the same offset.
#: anon_vma_lazy: the first fork made an anon_vma for the parent's area, and each links a child's.
#: cow_context: it is the root's, and the tree of forks is asked, in each context first the index
#: itself, then what the map of moves makes of it.
WALKS: dict[str, list[tuple[int, str, int]]] = {
    "pte_chain": [
        (103, "match", 0x40001000),
        (102, "match", 0x40003000),
        (100, "match", 0x40001000),
    ],
    "anonmm": [
        (100, "match", 0x40001000),
        (101, "pte", 0x40001000),
        (102, "pte", 0x40001000),
        (103, "match", 0x40001000),
    ],
    "anon_vma": [
        (102, "match", 0x40003000),
        (103, "match", 0x40001000),
        (101, "pte", 0x40001000),
        (100, "match", 0x40001000),
    ],
    "anon_vma_chain": [
        (100, "match", 0x40001000),
        (101, "pte", 0x40001000),
        (103, "match", 0x40001000),
        (102, "match", 0x40003000),
    ],
    "cow_context": [
        (100, "match", 0x40001000),
        (101, "pte", 0x40001000),
        (102, "range", 0x40001000),
        (102, "match", 0x40003000),
        (103, "match", 0x40001000),
    ],
}
WALKS["anon_vma39"] = WALKS["anon_vma"]
WALKS["pte_chain:line=32"] = WALKS["pte_chain"]
WALKS["anon_vma_degree"] = WALKS["anon_vma_lazy"] = WALKS["anon_vma_chain"]
WALKS["anon_vma_chain:walk=tree"] = WALKS["anon_vma_degree:walk=list"] = WALKS["anon_vma_chain"]
WALKS["anon_vma_lazy:walk=tree"] = WALKS["anon_vma_chain"]
WALKS["cow_context:prune=yes"] = WALKS["cow_context"]
PROBES = ("pte", "match")


def test_the_walk_of_each_scheme_is_expected() -> None:
    assert [scheme for scheme in FINDING if scheme not in WALKS] == []


@pytest.mark.parametrize("scheme", WALKS)
def test_candidates_stand_in_the_order_of_the_walk(vmemu: Vmemu, scheme: str) -> None:
    expected = WALKS[scheme]
    done = vmemu(COUSINS.format(f"--json --check --rmap {scheme}"))
    assert (done.status, done.err) == (0, "")  # it is stopped there, and prints at its end
    data = json.loads(done.out)
    walk = data["walk"]
    found = [(c["pid"], c["verdict"], c["address"]) for c in walk["candidates"]]
    assert found == expected
    probes = sum(verdict in PROBES for _, verdict, _ in expected)
    counts = {"unmap_probes": probes, "unmap_cmp": len(expected) - probes, "unmap_pages": 1}
    assert (walk["probes"], walk["cmps"]) == (probes, len(expected) - probes)
    if scheme.startswith("pte_chain"):  # three looked at, and each found at the front, to go
        counts["rmap_chain_slots"] = 3 + 3
    trees = walk["counted"].pop("rmap_tree_nodes", 0)
    assert walk["counted"] == {name: n for name, n in counts.items() if n}
    assert (trees > 0) == ("tree" in scheme or scheme == "anon_vma_degree")
    assert [each["pid"] for each in data["in_swap_of"]] == [101]
    matches = sorted(pid for pid, verdict, _ in expected if verdict == "match")
    assert [each["pid"] for each in data["mapped_by"]] == matches


def test_both_walks_cost_what_is_told(vmemu: Vmemu) -> None:
    for walk, function in (("unmap", "try_to_unmap"), ("referenced", "page_referenced")):
        done = vmemu(COUSINS.format(f"--json --walk {walk}"))
        data = json.loads(done.out)["walk"]
        assert data["function"] == function
        assert data["probes"] == sum(each["probes"] for each in data["candidates"]) == 4
        assert data["counted"][f"{walk}_probes"] == 4


def test_tables_of_every_scheme_one_after_the_other(vmemu: Vmemu) -> None:
    done = vmemu(COUSINS.format("--rmap all"))
    heads = [line for line in done.out.splitlines() if line.startswith("cousins at mark measure")]
    assert [line.rpartition(", ")[2] for line in heads] == FINDING
    assert max(map(len, done.out.splitlines())) <= 100
    both = json.loads(vmemu(COUSINS.format("--json --rmap all")).out)
    assert [each["rmap"] for each in both] == FINDING
    one = vmemu(COUSINS.format("--rmap anonmm")).out
    assert f"\n\n{one}\n" in done.out


def test_a_drawing_and_the_same_bytes_each_time(vmemu: Vmemu, tmp_path: Path) -> None:
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in (one, two):
        done = vmemu(COUSINS.format(f"--rmap anonmm --rmap anon_vma --svg {path}"))
        assert (done.status, done.out) == (0, "")
    assert one.read_bytes() == two.read_bytes()
    root = ElementTree.parse(one).getroot()
    assert root.get("viewBox", "").split()[2] == "1280"  # two panels
    title, description = root[0].text, root[1].text
    assert title is not None
    assert title.endswith(", by anonmm, anon_vma")
    assert description is not None
    assert "anonmm: frame " in description
    assert "1 process 102 match, 2 process 103 match" in description
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in ("1", "2", "3", "4")] == ["1", "2", "3", "4"] * 2
    single = tmp_path / "single.svg"
    both = vmemu(COUSINS.format(f"--json --svg {single}"))
    assert json.loads(both.out)["rmap"] == "anon_vma"
    assert ElementTree.parse(single).getroot().get("viewBox", "").split()[2] == "640"


def test_whose_address_it_is(vmemu: Vmemu) -> None:
    command = "who --at evicted --addr 0x40001000 --ram 1M --swap 1M {} family"
    first = vmemu(command.format("")).out
    assert "the page at 40001000 of 100 family; another page is there in 101 (--pid)\n" in first
    own = vmemu(command.format("--pid 101")).out
    assert ": only in swap, 1 entry\n" in own
    assert "the page at 40001000 of 101 family\n" in own
    assert own.endswith("the page is only in swap: there is no frame to walk for\n")
    assert vmemu(command.format("--pid 100")).out.splitlines()[1] == first.splitlines()[1]


def test_an_entry_whose_page_the_swap_cache_has(vmemu: Vmemu) -> None:
    """101 has it in swap, its parent in memory: the same frame leads to both."""
    frames = [
        json.loads(vmemu(COUSINS.format(f"--json --pid {pid}")).out)["frame"] for pid in (100, 101)
    ]
    assert frames[0] is not None
    assert frames[0] == frames[1]


def test_the_moment_is_before_the_call(vmemu: Vmemu) -> None:
    """mremap has not been made yet: the page is where it was."""
    command = "who --at {} --addr 40001000 --json mremap-exclusive R=1"
    data = json.loads(vmemu(command.format("mremap")).out)
    assert [each["address"] for each in data["mapped_by"]] == [0x40001000]
    behind = vmemu(command.format("event:mremap"))
    assert behind.status == 2
    assert "no process maps 0x40001000 after event mremap" in behind.err


def test_a_page_of_the_program_s_file(vmemu: Vmemu) -> None:
    done = vmemu("who --addr 08049000 --rmap none fork-server R=1 N=1")
    assert done.err.startswith("fork-server: ")
    assert "try_to_unmap by i_mmap, a prio_tree\n" in done.out
    assert (
        "1 probe, 0 cmps; counted: file_unmap_probes 1, file_unmap_pages 1, i_mmap_nodes 2\n"
        in done.out
    )


@pytest.mark.parametrize("scheme", ["none", "scan"])
def test_a_scheme_without_a_walk_says_so(vmemu: Vmemu, scheme: str) -> None:
    done = vmemu(COUSINS.format(f"--rmap {scheme}"))
    assert done.status == 0
    said = f"{scheme} has no walk: it cannot tell who maps an anonymous page"
    assert done.out.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("who hello", "who takes a page: --addr ADDRESS or --pfn N, one of them"),
        ("who --addr 1000 --pfn 1 hello", "who takes a page: --addr ADDRESS or --pfn N"),
        ("who --addr 12g hello", "--addr takes a hexadecimal address such as 40001000, not '12g'"),
        ("who --addr -1 hello", "--addr takes a hexadecimal address such as 40001000, not '-1'"),
        ("who --pfn 9 --pid 100 hello", "--pid says whose --addr is meant"),
        ("who --pfn 9 --walk both hello", "invalid value for '--walk'"),
        ("who --pfn 9 --svg /nonexistent/a.svg hello", "cannot write /nonexistent/a.svg: no such"),
        ("who --pfn 9 --rmap foo hello", "unknown rmap scheme 'foo'"),
        ("who --pfn 9 nothing", "there is no file and no guest 'nothing'"),
        ("who --pfn 9 --at frok family", "there is no moment 'frok' (did you mean fork?)"),
    ],
)
def test_refusals(vmemu: Vmemu, command: str, said: str) -> None:
    done = vmemu(command)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("vmemu: ")
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("--addr 5000", "no process maps 0x5000 at mark forked"),
        ("--addr fffffffff000", "no process maps 0xfffffffff000 at mark forked"),
        ("--addr 5000 --pid 101", "process 101 does not map 0x5000 at mark forked"),
        ("--addr 5000 --pid 7", "there is no process 7 with memory at mark forked: there is 100, "),
        ("--addr 08048000", "there is no page at 0x8048000 yet: it is in an area of 100 family"),
        ("--pfn 256", "there is no frame 256: the machine has 256, 0 to 255"),
        ("--pfn -1", "there is no frame -1: the machine has 256, 0 to 255"),
        ("--pfn 255", "frame 255 is free: no process has it as a page"),
        ("--pfn 3", "frame 3 is the page of zeros, which no reverse map follows"),
        ("--pfn 0", "frame 0 is reserved at boot: no process has it as a page"),
    ],
)
def test_what_nobody_has(vmemu: Vmemu, command: str, said: str) -> None:
    done = vmemu(f"who --at forked --ram 1M --swap 1M {command} family")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"vmemu: {said}")
    assert done.err.count("\n") == 1


def test_a_moment_that_never_comes(vmemu: Vmemu) -> None:
    done = vmemu("who --at mark:foo --pfn 9 fork-server R=1 N=1")
    assert (done.status, done.out) == (1, "")
    ended = "it ended with exit status 0; its marks were measure"
    assert done.err.splitlines()[-1] == f"vmemu: fork-server: mark:foo never came: {ended}"
