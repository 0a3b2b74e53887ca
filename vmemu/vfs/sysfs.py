"""/sys: the few files of it that C libraries and other programs look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.vfs.node import FileSystem, Services
from vmemu.vfs.procnode import Entry, Static, Tree

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel

__all__ = ["SysFs"]

_TEXTS = {
    "devices/system/cpu/online": "0\n",
    "devices/system/cpu/possible": "0\n",
    "devices/system/cpu/present": "0\n",
    "devices/system/cpu/cpu0/topology/core_id": "0\n",
    "devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
    "devices/system/cpu/cpu0/topology/thread_siblings": "1\n",
    "devices/system/cpu/cpu0/topology/thread_siblings_list": "0\n",
    "devices/system/node/online": "0\n",
    "kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n",
    "kernel/mm/transparent_hugepage/hpage_pmd_size": "4194304\n",
}


def _fixed(text: str) -> Entry:
    return Entry(lambda kernel: text)


_TREE = Tree({path: _fixed(text) for path, text in _TEXTS.items()})


class SysFs(FileSystem):
    """/sys of a kernel."""

    name = "sysfs"
    kind = 0x62656572

    def __init__(self, services: Services, dev: int, kernel: Kernel) -> None:
        super().__init__(services, dev)
        self.root = Static(self, kernel, _TREE)
