"""Where packages come from: the host's own sources of Debian's packages, for another width."""

from __future__ import annotations

import re
from pathlib import Path

from vmemu.errors import ConfigError

__all__ = ["debian_sources"]

_ETC = Path("/etc/apt")
_DISTRIBUTION = re.compile(r"\b(?:debian|ubuntu)(?:-\w+)?\b")
_COMPONENTS = re.compile(r"\bmain\b")
_ARCHITECTURES = re.compile(r"\barch(?:itectures)?[+-]?=\S+?(?=[\s\]])", re.IGNORECASE)


def debian_sources(etc: Path = _ETC) -> tuple[str, str]:
    """The distribution's sources among those of the host: in one-line format, and in deb822.

    Others, of vendors, have no packages of a whole system.  ConfigError when there is none.
    """
    lines: list[str] = []
    stanzas: list[str] = []
    for path in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))):
        if path.suffix == ".sources":
            stanzas += _stanzas(_read(path))
        elif path.suffix == ".list":
            lines += _lines(_read(path))
    if not lines and not stanzas:
        raise ConfigError(f"{etc} names no source of Debian's packages: apt has nothing to ask")
    return "".join(f"{line}\n" for line in lines), "\n".join(stanzas)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _lines(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("deb ") and _DISTRIBUTION.search(words) and _COMPONENTS.search(words):
            found.append(re.sub(r"\[\s*\]\s*", "", _ARCHITECTURES.sub("", words)))
    return found


def _stanzas(text: str) -> list[str]:
    found = []
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "without", "off"):
            continue
        if not _DISTRIBUTION.search(fields.get("uris", "")):
            continue
        if "main" not in fields.get("components", "").split():
            continue
        fields["types"] = "deb"
        for name in ("architectures", "enabled"):
            fields.pop(name, None)
        found.append("".join(f"{name.title()}: {value}\n" for name, value in fields.items()))
    return found
