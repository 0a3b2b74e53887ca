"""20,000 random operations and more under every scheme, against the model.

``python -m tests.props.soak`` does the same for as long as one likes.
"""

from __future__ import annotations

import pytest

from vmemu.rmap import builtin
from vmemu.rmap.python import AddressBook
from vmemu.testing.driver import Failed, perform, run, shrink
from vmemu.testing.frame import Config, Operation
from vmemu.testing.machines import MACHINES, RULES, SCHEMES, machine

OPERATIONS = 4000


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_operations(scheme: str, name: str) -> None:
    config = machine(scheme, name)
    world = run(config, seed=2004, count=OPERATIONS)
    # The run was worth something: every kind of call went both ways, and memory was short.
    for call in ("mmap", "munmap", "mprotect", "mremap", "mlock", "mincore", "madvise", "fork"):
        assert world.results[call, "done"], call
    for call in ("mprotect", "mremap", "mlock", "mincore", "madvise", "read"):
        assert any(call == name for name, result in world.results if result != "done"), call
    assert world.results["mremap", "moved"] > 50
    assert world.final["pgcow"] > 20
    assert world.tlb.hits > 100
    if config.swap and scheme != "none":
        assert world.final["pswpout"] > 100
        assert world.final["pswpin"] > 100
        assert world.results["swapoff", "done"]


@pytest.mark.parametrize(("rule", "name"), RULES.items())
@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
def test_walks_that_another_rule_ends(scheme: str, rule: str, name: str) -> None:
    world = run(machine(f"{scheme}:stop={rule}", name), seed=2004, count=OPERATIONS)
    assert world.final["pswpin"] > 100


OPTIONS = [
    f"{name}:{option}={value}"
    for name, scheme in builtin().items()
    for option, values in scheme.options.items()
    for value in values[1:]
]


@pytest.mark.parametrize("name", ["roomy", "wide"])
@pytest.mark.parametrize("scheme", OPTIONS)
def test_what_else_a_scheme_may_choose(scheme: str, name: str) -> None:
    run(machine(scheme, name), seed=2004, count=OPERATIONS // 2)


def test_a_scheme_written_in_python() -> None:
    run(machine(AddressBook, "small"), seed=2004, count=OPERATIONS // 4)


def test_a_failure_is_told_with_a_short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory manager whose mprotect forgets the last page is found out, briefly."""
    from vmemu.testing import driver, mapping_ops

    monkeypatch.setattr(driver, "SHRINK", 60)  # whatever VMEMU_SHRINK says
    real = mapping_ops.do_mprotect

    def forgetful(mm: object, address: int, length: int, prot: int) -> None:
        real(mm, address, length - 4096 if length > 8192 else length, prot)

    monkeypatch.setattr(mapping_ops, "do_mprotect", forgetful)
    with pytest.raises(Failed, match=r"areas differ[\s\S]*in [1-9] operations") as failure:
        run(Config("anon_vma"), seed=1, count=2000)
    assert "seed 1, operation" in str(failure.value)
    assert "'mprotect'" in str(failure.value)


def test_lists_shrink_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    operations: list[Operation] = [
        ("spawn",),
        ("mmap", 1, 0x40000000, 0x4000, 3, 0x32),
        ("write", 1, 0x40000000, 8, 1),
        ("fork", 1),
        ("write", 1, 0x40001000, 8, 1),
    ]
    from vmemu.testing import access_ops

    monkeypatch.setattr(access_ops, "contents", lambda pattern, n: b"\0" * (n - 1) + b"x")
    assert perform(Config("anon_vma"), operations) is None
    monkeypatch.setattr(
        "vmemu.testing.world.dup_mmap",
        lambda mm: mm.get(),
    )
    error = perform(Config("anon_vma"), operations)
    assert error is not None
    assert shrink(Config("anon_vma"), operations, error, 60) == [
        ("mmap", 1, 0x40000000, 0x4000, 3, 0x32),
        ("fork", 1),
        ("write", 1, 0x40001000, 8, 1),
    ]
