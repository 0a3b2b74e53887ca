"""The machine that everything ran on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.revision import describe


def machine() -> dict[str, str | int]:
    """What figures depend on."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count() or 0,
        "hypervisor": _hypervisor(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "unicorn": _version("unicorn"),
        "vmemu": describe(),
    }


def _field(path: str, name: str) -> str:
    match = re.search(rf"^{name}\s*:\s*(.*)$", _read(path), re.MULTILINE)
    return match[1] if match else "unknown"


def _hypervisor() -> str:
    flags = _field("/proc/cpuinfo", "flags").split()
    if "hypervisor" not in flags:
        return "none"
    vendor = _read("/sys/class/dmi/id/sys_vendor").strip()
    return vendor or "yes"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
