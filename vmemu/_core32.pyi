"""The C core, built by vmemu/_build.py; csrc/vmemu.h declares and documents it."""

from typing import Any

ffi: Any
lib: Any
