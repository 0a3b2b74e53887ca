"""The text of a program is in memory once, however often the program runs."""

from __future__ import annotations

from vmemu.lab.guests import guest_path
from vmemu.machine import Machine


def test_ten_copies_of_a_program_have_one_text() -> None:
    """As many pages of files as one copy has, each mapped by all ten, under every frame's eye."""
    cached = []
    for copies in (1, 10):
        with Machine(ram="8M") as machine:
            for _ in range(copies):
                machine.spawn(guest_path("sleepers"), stdout=None)
            while machine.step() and machine.kernel.sched.now < 5_000_000:
                pass
            m, lib = machine.core.m, machine.core.lib
            text = {
                vma.vm_start: lib.pte_value(m, task.mm.ptr, vma.vm_start) >> 12
                for task in machine.kernel.tasks
                for vma in task.mm.vmas()
                if vma.vm_file and not vma.vm_flags & lib.VM_WRITE
            }
            assert text
            users = {machine.core.page(pfn).mapcount for pfn in text.values() if pfn}
            assert max(users) >= copies
            cached.append(m.pages.nr_pagecache)
            machine.check()
    assert cached[0] == cached[1]
