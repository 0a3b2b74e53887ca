"""Planting generated mutants in copies of the tree, one after the other."""

from __future__ import annotations

import json
import os
import types
from collections import Counter
from dataclasses import dataclass
from subprocess import CalledProcessError

from .change import Change
from .forge import Forge, reason
from .reach import Reach

CFLAGS = "-O2 -g0 -w"
NOTICED, SURVIVED, SAME, BROKEN = "noticed", "survived", "same object", "does not compile"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: `result`, and the test that noticed it and how."""

    result: str
    test: str = ""
    why: str = ""
    tests: int = 0


class Trial:
    """One copy of the tree; `kills` counts how often each test has noticed a mutant."""

    def __init__(
        self, reach: Reach, kills: Counter[int], budget: float, forge: Forge | None = None
    ) -> None:
        self.reach = reach
        self.kills = kills
        self.budget = budget
        self.forge = forge or Forge(CFLAGS)
        self.objects = self.forge.tree / "build" / "vmemu" / "core32"
        self.limits = self.forge.tree / "limits.json"
        self.limits.write_text(json.dumps(dict(zip(reach.tests, reach.seconds, strict=True))))

    def close(self) -> None:
        """Remove the copy."""
        self.forge.__exit__()

    def judge(self, change: Change) -> Verdict:
        """Plant a mutant, run the tests that reach it, and take it out again."""
        path = self.forge.tree / change.file
        text = path.read_bytes()
        self.forge.build()  # without the mutant before this one
        try:
            mutated = change.apply(text)
            if change.file.endswith(".py"):
                if code_of(mutated) == code_of(text):
                    return Verdict(SAME)
                path.write_bytes(mutated)
            else:
                before = self.compiled()
                path.write_bytes(mutated)
                try:
                    self.forge.build()
                except CalledProcessError as error:
                    return Verdict(BROKEN, why=str(error.stderr)[:200])
                if self.compiled() == before:
                    return Verdict(SAME)
            return self.tried(self.chosen(change))
        finally:
            path.write_bytes(text)
            os.utime(path)

    def compiled(self) -> dict[str, bytes]:
        """All object files' contents."""
        return {path.name: path.read_bytes() for path in self.objects.glob("*.o")}

    def chosen(self, change: Change) -> list[int]:
        """The tests that reach a change: those likely to notice it soon come first.

        No more of them than the budget has seconds for.
        """
        seconds, chosen, spent = self.reach.seconds, [], 0.0
        for test in sorted(
            self.reach.of(change), key=lambda n: (seconds[n] + 0.02) / (1 + self.kills[n])
        ):
            spent += seconds[test]
            if spent > self.budget and chosen:
                break
            chosen.append(test)
        return chosen

    def tried(self, tests: list[int]) -> Verdict:
        """Run tests until one fails."""
        if not tests:
            return Verdict(SURVIVED, why="no test reaches it")
        last = self.forge.tree / "last.txt"
        last.write_text("")
        done = self.forge.pytest(
            ["-x", "-p", "tests.mutants.limits", *(self.reach.tests[n] for n in tests)],
            {"VMEMU_LIMITS": str(self.limits), "VMEMU_LAST": str(last)},
        )
        if done.returncode == 0:
            return Verdict(SURVIVED, tests=len(tests))
        test = last.read_text()
        if test in self.reach.tests:
            self.kills[self.reach.tests.index(test)] += 1
        why = reason(done.stdout + done.stderr, done.returncode)
        return Verdict(NOTICED, test, why[:300], len(tests))


def code_of(source: bytes) -> types.CodeType:
    """A Python file's code, without line numbers."""
    return bare(compile(source, "file", "exec", dont_inherit=True))


def bare(code: types.CodeType) -> types.CodeType:
    constants = tuple(
        bare(one) if isinstance(one, types.CodeType) else one for one in code.co_consts
    )
    return code.replace(co_linetable=b"", co_firstlineno=1, co_consts=constants)
