"""The options, the table and the units of ``pytest bench/test_micro.py``."""

from __future__ import annotations

import pytest

from bench.errors import BenchError

COLUMNS = ["median", "iqr", "min", "ops", "rounds", "iterations"]
"""Unless the command line names others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rmap", default="anon_vma,anonmm", help="schemes, by commas")


def pytest_configure(config: pytest.Config) -> None:
    from bench.__main__ import known_schemes

    try:
        known_schemes(config.getoption("--rmap").split(","))
    except BenchError as error:
        raise pytest.UsageError(str(error)) from None
    chosen = getattr(config.option, "benchmark_columns", None)
    config.option.benchmark_columns = chosen or COLUMNS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rmap" in metafunc.fixturenames:
        metafunc.parametrize("rmap", metafunc.config.getoption("--rmap").split(","))


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_scale_unit(unit: str) -> tuple[str, float]:
    """Nanoseconds, and millions a second."""
    return ("n", 1e9) if unit == "seconds" else ("M", 1e-6)
