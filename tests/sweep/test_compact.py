"""What a run writes to lies close together in the process that it is forked from."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import textwrap
import types

import pytest

from vmemu.sweep.compact import gather_code

PAGE = 4096


def python(program: str) -> str:
    """What a program prints in an interpreter of its own, whose memory nobody else has used."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def three() -> types.ModuleType:
    """A module whose first and last function call each other, the one between nobody."""
    module = types.ModuleType("three")
    exec(
        "def first(n):\n    return last(n) + sum(i for i in range(n))\n"
        "def other():\n    return 0\n"
        "def last(n):\n    return (lambda: n)()\n"
        "alias = first\n",
        module.__dict__,
    )
    return module


def test_functions_stay_who_they_are() -> None:
    module = three()
    before = dict(vars(module))
    codes = {name: getattr(module, name).__code__ for name in ("first", "other", "last")}
    gather_code(lambda: module.first(4))
    assert all(getattr(module, name) is before[name] for name in before if name != "__builtins__")
    assert module.alias is module.first
    assert module.first(4) == 10
    for name, code in codes.items():
        assert getattr(module, name).__code__ == code
        assert (getattr(module, name).__code__ is code) == (name == "other")


def test_what_functions_make_is_gathered_too() -> None:
    """The code of a generator and of a lambda is a constant of the function around it."""
    module = three()
    inner = [c for c in module.first.__code__.co_consts if isinstance(c, types.CodeType)]
    gather_code(lambda: module.first(4))
    after = [c for c in module.first.__code__.co_consts if isinstance(c, types.CodeType)]
    assert after == inner
    assert after[0] is not inner[0]


def test_a_profiler_is_there_again_even_if_the_run_fails() -> None:
    def profiler(*_: object) -> None: ...

    def fails() -> None:
        raise KeyError("told")

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with pytest.raises(KeyError, match="told"):
            gather_code(fails)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)


HOLES = """
    import ctypes
    from vmemu.sweep.compact import fill_holes
    malloc = getattr(ctypes.{library}, "{malloc}")
    free = getattr(ctypes.{library}, "{free}")
    malloc.restype, free.restype = ctypes.c_size_t, None
    malloc.argtypes = free.argtypes = [ctypes.c_size_t]
    blocks = [malloc({size}) for _ in range(1000)]
    for block in blocks[::2]:
        free(block)
    holes = set(blocks[::2])
    if {fill}:
        fill_holes()
    new = [malloc({size}) for _ in range(200)]
    print(len(holes.intersection(new)), len({{block // 4096 for block in new}}))
"""


@pytest.mark.parametrize(
    ("library", "malloc", "free", "size"),
    [
        ("CDLL(None)", "malloc", "free", 1000),
        ("CDLL(None)", "malloc", "free", 40),
        ("pythonapi", "PyObject_Malloc", "PyObject_Free", 96),
        ("pythonapi", "PyObject_Malloc", "PyObject_Free", 512),
    ],
)
def test_new_memory_lies_in_one_place(library: str, malloc: str, free: str, size: int) -> None:
    """200 blocks are given in the holes of 1,000 where these are, else side by side."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("no C library with mallinfo2()")
    told = {"library": library, "malloc": malloc, "free": free, "size": size}
    reused, _ = map(int, python(HOLES.format(fill=False, **told)).split())
    assert reused == 200
    reused, pages = map(int, python(HOLES.format(fill=True, **told)).split())
    assert reused == 0
    assert pages <= 200 * (size + 16) // PAGE * 5 // 4 + 4  # ctypes takes some, too


def test_another_allocator_is_left_alone() -> None:
    """Without pools, what was tried is given back, and nothing is taken for ever."""
    taken = python("""
        import ctypes, os
        from vmemu.sweep import compact
        class Allocator:
            restype = argtypes = None
            def __init__(self): self.held = set()
        class Malloc(Allocator):
            def __call__(self, size):
                given.held.add(block := given.next)
                given.next += size + 3 * 4096
                return block
        class Free(Allocator):
            def __call__(self, block): given.held.remove(block)
        given = Malloc()
        given.next = 1 << 20
        class Api:
            PyObject_Malloc, PyObject_Free = given, Free()
        ctypes.pythonapi = Api
        compact._fill_pools()
        print(len(given.held), given.next > 32 << 20)
    """)
    assert taken.split() == ["0", "True"]
