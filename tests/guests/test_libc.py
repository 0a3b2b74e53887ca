"""A program with the C library of today's host, without threads: what it calls is answered."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = r"""
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int mine = 5;
static pthread_once_t control = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void once(void) { puts("once"); }

int main(void)
{
	char *memory = malloc(1 << 20);
	int status;

	memset(memory, 'x', 1 << 20);
	pthread_once(&control, once);
	pthread_once(&control, once);
	pthread_mutex_lock(&mutex);
	printf("locked %d\n", pthread_mutex_trylock(&mutex) == EBUSY);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	fflush(stdout);
	if (fork() == 0) {
		mine++;
		printf("child %d\n", mine);
		exit(mine);
	}
	wait(&status);
	printf("parent %d, child %d, %c\n", mine, WEXITSTATUS(status), memory[12345]);
	return 0;
}
"""
OUTPUT = b"once\nlocked 1\nchild 6\nparent 5, child 6, x\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("libc") / "program"
    command = [_build.compiler(), "-m32", "-static", "-O2", "-x", "c", "-", "-o", str(path)]
    done = subprocess.run(
        [*command, "-lpthread"], input=SOURCE, text=True, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("there is no C library for i386 (on Debian: gcc-multilib)")
    return path


@pytest.mark.parametrize("ram", ["8M", "700K"])
@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma39", "anon_vma"])
def test_program_with_a_c_library(program: Path, rmap: str, ram: str) -> None:
    output = io.BytesIO()
    with Machine(ram=ram, swap="8M", rmap=rmap) as machine:
        machine.spawn(program, stdin=b"", stdout=output, stderr=output)
        assert machine.run().exit_status == 0
        machine.check()
    assert output.getvalue() == OUTPUT


@pytest.mark.native
def test_the_host_agrees(program: Path) -> None:
    try:
        done = subprocess.run([program], capture_output=True, check=True)
    except OSError as error:
        pytest.skip(f"the host does not execute i386 programs: {error}")
    assert done.stdout == OUTPUT
