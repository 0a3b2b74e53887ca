"""Scripts: programs whose first line names their interpreter (binfmt_script.c)."""

from __future__ import annotations

__all__ = ["BINPRM_BUF_SIZE", "MAX_INTERPRETERS", "script_words"]

BINPRM_BUF_SIZE = 256
"""Bytes of a file that are looked at (since 5.1; 2.6 looked at 128)."""
MAX_INTERPRETERS = 5
"""How many scripts may be each other's interpreters; one more is ELOOP (2.6: a single one)."""
_BLANKS = b" \t"
_ENDS = b" \t\0"


def script_words(head: bytes) -> list[bytes] | None:
    """The interpreter and the one argument that it may be given; None: this is no script.

    head is the start of the file, as far as it is looked at; the rest of the buffer is zeros, which
    end a word as well.  Without a newline there must be such an end behind the path, which
    would else name something else when it is cut; an argument may be cut.
    """
    if head[:2] != b"#!":
        return None
    buffer = head.ljust(BINPRM_BUF_SIZE, b"\0")[2:BINPRM_BUF_SIZE]
    line, newline, _ = buffer.partition(b"\n")
    if newline:
        line = line.rstrip(_BLANKS)
    elif not any(byte in _ENDS for byte in line.lstrip(_BLANKS)):
        return None
    else:
        line = line[:-1]  # the last byte ends a word, whatever it is
    text = line.lstrip(_BLANKS)
    if not text:
        return None
    end = next((at for at, byte in enumerate(text) if byte in _ENDS), len(text))
    path, rest = text[:end], text[end:]
    if not rest or not rest[0]:
        return [path]
    argument = rest.lstrip(_BLANKS)
    return [path, argument.partition(b"\0")[0]] if argument else [path]
