"""The machines that random operations run on."""

from __future__ import annotations

from dataclasses import replace

from vmemu.rmap import RmapScheme, builtin, scheme_class
from vmemu.testing.frame import Config

SCHEMES = tuple(builtin())

# With a budget running out of memory is an error; without one it is part of the game.
MACHINES = {
    "roomy": Config("", ram=2 << 20, swap=(1024, 512), budget=480, lock_checks=True),
    "small": Config("", ram=1 << 20, swap=(1200, 600), budget=500, locked=16, i_mmap="list"),
    "no-readahead": Config(
        "",
        ram=1500 << 10,
        swap=(700, 700, 700),
        budget=600,
        page_cluster=0,
        swappiness=100,
        topdown=True,
        fault_in_c=False,
    ),
    "tight": Config(
        "",
        ram=1 << 20,
        swap=(300, 100),
        budget=None,
        overcommit=0,
        lock_checks=True,
        i_mmap="interval_tree",
    ),
    "no-swap": Config("", ram=2 << 20, swap=(), budget=None, overcommit=1, fault_in_c=False),
    "wide": Config(
        "", ram=1200 << 10, swap=(1200, 600), budget=500, bits=64, lock_checks=True, i_mmap="list"
    ),
    "wider": Config(
        "",
        ram=1200 << 10,
        swap=(400, 100),
        budget=None,
        overcommit=0,
        topdown=True,
        bits=64,
        levels=4,
    ),
    "strict": Config("", ram=2 << 20, swap=(600,), budget=None, overcommit=2, topdown=True),
}


RULES = {"exclusive": "small", "owners": "tight", "none": "wide"}
"""A machine for each rule that ends walks and is not mapcount's."""


def machine(scheme: str | type[RmapScheme], name: str) -> Config:
    """A machine under one scheme; one that cannot swap gets more memory instead."""
    config = replace(MACHINES[name], scheme=scheme)
    finds = (scheme_class(scheme) if isinstance(scheme, str) else scheme).finds_anon
    if not finds and config.budget is not None:
        config = replace(config, ram=4 << 20, swap=())
    return config
