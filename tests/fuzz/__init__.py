"""Fuzzers: nonsense for vmemu, drawn by a seed, until something gives way.

Each has a module here with a function ``case(seed: int) -> int``, which runs one case drawn
by the seed, returns how many units it tried, and raises whatever it finds wrong; what
its units are called in ``UNITS``; and in ``SEEDS`` the seeds that once found something,
which the tests run again.  One that has 64 bits as well takes them as ``case(seed, bits=64)``,
says so in ``WIDTHS``, and has ``SEEDS_64``.  `worker` runs cases in a process of their own, so
that a fault that kills the process is a finding as well.
"""

FUZZERS: tuple[str, ...] = ("syscalls", "instructions", "elf", "swapfile")
"""Names of the modules."""
WIDE: tuple[str, ...] = ("syscalls", "instructions")
"""Those that have 64 bits as well."""
