"""``python -m vmemu.stubs``: write the stubs of the C core anew, from what the built cores declare.

An editor and mypy then know the fields of the kernel's structs, the core's constants and its
functions.  ``--check`` changes nothing and says which stubs are out of date; the tests do that.
A pointer to a struct has the struct's name and its fields, as in Python.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "stub"]

MODULES = ("_core32", "_core64")

_HEAD = '''\
"""The C core of {bits} bits, written by ``python -m vmemu.stubs``.

csrc/*/types.h and csrc/*/api.h document what is here.
"""

from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")

class Array(Generic[T]):
    """An array, or a pointer to what is not a struct."""

    def __getitem__(self, index: int, /) -> T: ...
    def __setitem__(self, index: int, value: T, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[T]: ...

class Struct:
    """A struct, or a pointer to one."""

    def __getitem__(self, index: int, /) -> Self: ...
    def __add__(self, n: int, /) -> Self: ...
    @overload
    def __sub__(self, other: int, /) -> Self: ...
    @overload
    def __sub__(self, other: Self, /) -> int: ...

'''


def stub(module: str) -> str:
    """The stub of ``_core32`` or ``_core64``, as text."""
    core = importlib.import_module(f"vmemu.{module}")
    text = [_HEAD.format(bits=module[-2:])]
    _, structs, _ = core.ffi.list_types()
    for name in structs:
        ctype = core.ffi.typeof(f"struct {name}")
        with contextlib.suppress(core.ffi.error):  # it has no fields that Python may see
            core.ffi.sizeof(ctype)  # reads them from the module, which .fields alone does not
            text += _struct(name, ctype)
            continue
        text.append(f"class {name}(Struct): ...\n\n")
    both = sorted(set(structs) & set(dir(core.lib)))
    text += [f"{name}_struct = {name}\n" for name in both]
    text += ["\nclass Lib:\n", '    """The constants and functions of the core."""\n\n']
    for name in sorted(dir(core.lib)):
        for line in _member(core, name):
            for struct in both:  # inside the class that is the function
                line = re.sub(rf"(: |-> ){struct}\b", rf"\1{struct}_struct", line)
            text.append(line)
    text += ["\nffi: Any\nlib: Lib\n"]
    return "".join(text)


def _struct(name: str, ctype: Any) -> Iterator[str]:
    """A class; structs without a name come before the one they stand in."""
    body = []
    for field, item in ctype.fields:
        inner = f"{name}_{field}"
        if item.type.kind == "struct" and "$" in item.type.cname:
            yield from _struct(inner, item.type)
            kind = inner
        else:
            kind = _type(item.type)
        if not keyword.iskeyword(field):
            body.append(f"    {field}: {kind}\n")
    yield f"class {name}(Struct):\n" + "".join(body) + "\n"


def _type(ctype: Any) -> str:
    """A C type as Python has it."""
    kind, name = ctype.kind, ctype.cname.removesuffix("*").strip()
    if kind == "primitive":
        return {"char": "bytes", "_Bool": "bool"}.get(name, "int")
    if kind == "enum":
        return "int"
    if kind == "void":
        return "None"
    if kind == "struct":
        return str(name.removeprefix("struct "))
    if kind == "array":
        return f"Array[{_type(ctype.item)}]"
    if kind == "pointer":
        inner = ctype.item.kind
        if inner == "struct":
            return _type(ctype.item)
        return "Any" if inner in ("void", "function") else f"Array[{_type(ctype.item)}]"
    return "Any"


def _member(core: Any, name: str) -> Iterator[str]:
    """A constant or a function of ``lib``; what C calls of Python's is nobody else's."""
    value = getattr(core.lib, name)
    if isinstance(value, int):
        yield f"    {name}: int\n"
    elif not isinstance(value, core.ffi.CData):
        ctype = core.ffi.typeof(value)
        takes = "".join(f", _{i}: {_argument(arg)}" for i, arg in enumerate(ctype.args))
        yield f"    def {name}(self{takes}, /) -> {_type(ctype.result)}: ...\n"


def _argument(ctype: Any) -> str:
    """What a function takes: bytes for a string, and whatever is an address where no struct is."""
    kind = _type(ctype)
    if kind == "Array[bytes]":
        return "bytes | Any"
    return "Any" if kind.startswith("Array") else kind


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; status 1 if a stub is out of date and ``--check`` is given."""
    parser = argparse.ArgumentParser(prog="python -m vmemu.stubs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check: bool = parser.parse_args(argv).check
    stale = 0
    for module in MODULES:
        path = Path(__file__).with_name(f"{module}.pyi")
        text = stub(module)
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        print(f"{path.name} is not what the core declares" if check else f"wrote {path}")
        if not check:
            path.write_text(text)
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
