"""A running cluster of dask.distributed as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from vmemu.errors import ConfigError
from vmemu.sweep.engine import OtherBuild

__all__ = ["cluster", "worker_build"]

_PATIENCE = 10  # seconds for the scheduler to answer


def worker_build() -> str:
    """The build of vmemu that a worker has."""
    from vmemu.build_id import build_id

    return build_id()


@contextmanager
def cluster(address: str, build: str) -> Iterator[tuple[Executor, int]]:
    """The cluster's workers, and how many cells they should have at a time.

    ConfigError where there is no scheduler or no worker, OtherBuild for a worker whose vmemu
    is another one.  A worker that comes later is held to the same by each cell.
    """
    with _client(address) as client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ConfigError(
                f"the scheduler at {address} has no workers: start some with dask worker {address}"
            )
        _check_builds(client, build)
        with client.get_executor(pure=False) as executor:
            yield executor, 2 * threads + 2


def _client(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError:
        raise ConfigError(
            "--scheduler needs the package distributed, which is not installed: "
            "pip install 'vmemu[distributed]'"
        ) from None
    try:
        get_address_host_port(address)  # for a Client that cannot be complains again at the end
        return Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"there is no dask scheduler at {address!r}: start one with dask scheduler, and give "
            "the address that it prints, such as tcp://HOST:8786"
        ) from error


def _check_builds(client: Any, build: str) -> None:
    told = client.run(worker_build, on_error="return")
    for worker, found in told.items():
        if isinstance(found, BaseException):  # it has no such module
            raise OtherBuild(worker, "without sweeps, or none", build)
        if found != build:
            raise OtherBuild(worker, found, build)
