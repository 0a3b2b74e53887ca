"""Signals: frames, handlers, masks, defaults, restarted calls."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from script import (
    ADDRESS,
    CALLED,
    COUNTER,
    NUMBERS,
    Script,
    packed,
    signed,
    snippet,
    word,
)

from tests.width import BITS, TASK_SIZE, WORD
from vmemu.kernel.signal.frame_i386 import SIGCONTEXT_FIELDS, SigContext
from vmemu.kernel.signal.state import (
    SIG_IGN,
    AltStack,
    SaFlags,
    SigAction,
    SigInfo,
    Signal,
    SignalState,
    mask_of,
    signal_name,
)

SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = range(3)
NOWHERE = 0x70000000
ALL = (1 << 64) - 1
SIGINFO = SaFlags.SIGINFO


def action(script: Script, number: int, handler: int | str, flags: int = 0, mask: int = 0) -> int:
    return script.call("rt_sigaction", number, script.sigaction(handler, flags, mask), 0, 8)


def mask(script: Script, how: int, new: int, old: int = 0) -> int:
    return script.call("rt_sigprocmask", how, script.struct("Q", new), old, 8)


def alternate_stack(script: Script, base: int, size: int) -> int:
    return script.call("sigaltstack", script.struct("NIN", base, 0, size), 0)


def kill_self(script: Script, number: int) -> int:
    return script.call("kill", 100, number)


def test_state() -> None:
    state = SignalState()
    state.pending.extend(map(SigInfo, (Signal.SIGTERM, Signal.SIGINT, Signal.SIGHUP)))
    state.set_blocked(mask_of([Signal.SIGHUP, Signal.SIGKILL]))
    assert not state.is_blocked(Signal.SIGKILL)
    assert [info.signo for info in iter(state.dequeue, None)] == [Signal.SIGINT, Signal.SIGTERM]
    state.actions = {2: SigAction(SIG_IGN), 3: SigAction(0x1000)}
    child = state.fork()
    assert not child.pending
    assert child.is_blocked(Signal.SIGHUP)
    child.flush_handlers()
    assert child.ignores(Signal.SIGINT)
    assert list(child.actions) == [2]
    assert state.action(3).handler == 0x1000
    assert AltStack(0x1000, 0x1000).holds(0x1800)
    assert not AltStack().holds(0)
    assert [signal_name(n) for n in (11, 34)] == ["SIGSEGV", "SIGRT_2"]


def test_sigcontext_is_88_bytes_in_i386_order() -> None:
    values = {name: index for index, name in enumerate(SIGCONTEXT_FIELDS)}
    data = SigContext(values).encode()
    assert len(data) == 88
    assert data[56] == SIGCONTEXT_FIELDS.index("eip") == 14
    assert SigContext.decode(data).values == values


@pytest.mark.parametrize("flags", [0, SIGINFO, SaFlags.NODEFER, SIGINFO | SaFlags.NODEFER])
def test_handler_runs_and_returns(tmp_path: Path, flags: int) -> None:
    """Both kinds of frame; on i386 through the code on the stack."""
    script = Script()
    action(script, Signal.SIGUSR1, "count", flags)
    results = [kill_self(script, Signal.SIGUSR1) for _ in range(3)]
    script.end()
    ran = script.run(tmp_path)
    assert [ran.results[index] for index in results] == [0, 0, 0]
    assert ran.word(COUNTER) == 3
    assert ran.status is not None
    assert ran.status.exit_status == 0


@pytest.mark.parametrize(("handler", "status"), [("count", 0), ("undefined", 128 + Signal.SIGILL)])
@pytest.mark.parametrize("restorer", [False, True])
def test_a_restorer(tmp_path: Path, restorer: bool, handler: str, status: int) -> None:
    """x86-64 has no other way back: without one there is a SIGSEGV in the handler's place."""
    script = Script()
    new = script.sigaction(handler, SIGINFO, restorer=restorer)
    script.call("rt_sigaction", Signal.SIGUSR1, new, 0, 8)
    kill_self(script, Signal.SIGUSR1)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    runs = restorer or BITS == 32
    assert ran.status.exit_status == (status if runs else 128 + Signal.SIGSEGV)


@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma"])
def test_handler_sees_the_fault_and_moves_on(tmp_path: Path, rmap: str) -> None:
    script = Script()
    action(script, Signal.SIGSEGV, "skip", SIGINFO)
    script.run_code("peek", cx=NOWHERE + 5)
    script.run_code("peek", cx=TASK_SIZE + 4)
    script.end()
    ran = script.run(tmp_path, rmap=rmap)
    assert ran.word(COUNTER) == 2
    assert ran.word(ADDRESS) == TASK_SIZE + 4


def test_exceptions_reach_handlers(tmp_path: Path) -> None:
    script = Script()
    for number in (Signal.SIGFPE, Signal.SIGILL, Signal.SIGSEGV):
        action(script, number, "skip", SIGINFO)
    for _ in range(3):  # an exception must not spoil the next one
        script.run_code("divide")
        script.run_code("undefined")
        script.run_code("halt")
    script.end()
    ran = script.run(tmp_path)
    assert ran.word(COUNTER) == 9


@pytest.mark.parametrize(
    ("code", "signal"),
    [("peek", 11), ("divide", 8), ("undefined", 4), ("halt", 11)],
)
def test_default_is_death(tmp_path: Path, code: str, signal: int) -> None:
    script = Script()
    script.run_code(code, cx=NOWHERE)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert (ran.status.signaled, ran.status.code) == (True, signal)
    assert ran.status.exit_status == 128 + signal


def test_blocked_fault_is_death(tmp_path: Path) -> None:
    """A handler does not help when the signal of a fault is blocked (force_sig_info)."""
    script = Script()
    action(script, Signal.SIGSEGV, "skip", SIGINFO)
    mask(script, SIG_SETMASK, mask_of([Signal.SIGSEGV]))
    script.run_code("peek", cx=NOWHERE)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.exit_status == 128 + 11


def test_mask_holds_back_and_lets_go(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGUSR1, "count")
    old = script.put(8)
    usr1 = mask_of([Signal.SIGUSR1])
    mask(script, SIG_BLOCK, usr1)
    kill_self(script, Signal.SIGUSR1)
    kill_self(script, Signal.SIGUSR1)  # pending once only
    pending = script.put(8)
    script.call("rt_sigpending", pending, 8)
    writer = script.call("write", 1, COUNTER, WORD)  # shows the counter while blocked
    mask(script, SIG_UNBLOCK, usr1, old)
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[writer] == WORD
    assert ran.output == bytes(WORD)
    assert ran.u64(pending) == ran.u64(old) == usr1
    assert ran.word(COUNTER) == 1


def test_sigkill_and_sigstop_cannot_be_handled(tmp_path: Path) -> None:
    script = Script()
    results = [action(script, number, "count") for number in (9, 19, 0, 65)]
    mask(script, SIG_SETMASK, ALL)
    old = script.put(8)
    script.call("rt_sigprocmask", SIG_SETMASK, 0, old, 8)
    script.end()
    ran = script.run(tmp_path)
    assert [signed(ran.results[index]) for index in results] == [-errno.EINVAL] * 4
    assert ran.u64(old) == ALL & ~mask_of([9, 19])


def test_alternate_stack(tmp_path: Path) -> None:
    """A handler on its own stack survives a stack pointer that leads nowhere."""
    script = Script()
    stack = script.put(0x900)
    wrong = alternate_stack(script, stack, 100)
    right = alternate_stack(script, stack, 0x900)
    action(script, Signal.SIGUSR1, "count", SIGINFO | SaFlags.ONSTACK)
    kill_self(script, Signal.SIGUSR1)
    script.end()
    ran = script.run(tmp_path)
    assert signed(ran.results[wrong]) == -errno.ENOMEM
    assert ran.results[right] == 0
    assert ran.word(COUNTER) == 1
    assert ran.bytes(stack, 0x900) != bytes(0x900)


def test_a_frame_is_as_the_abi_has_it(tmp_path: Path) -> None:
    """What SIGUSR1 leaves on a stack of its own, which kill() brought: siginfo, ucontext."""
    script = Script()
    size = 0x900
    stack = script.put(size)
    blocked = mask_of([Signal.SIGUSR2, 64])
    alternate_stack(script, stack, size)
    new = script.sigaction("count", SIGINFO | SaFlags.ONSTACK, restorer=True)
    script.call("rt_sigaction", Signal.SIGUSR1, new, 0, 8)
    mask(script, SIG_SETMASK, blocked)
    kill_self(script, Signal.SIGUSR1)
    script.end()
    memory = script.run(tmp_path).bytes(stack, size)
    frame = memory.index(word(snippet("restore")))
    # where the handler begins the stack is as behind a call
    assert (stack + frame + WORD) % 16 == 0
    # i386: the return address, the three arguments, siginfo, ucontext; x86-64: no arguments
    info, context = {32: (16, 144), 64: (312, 8)}[BITS]
    told = memory[frame + info :]
    assert told.startswith(packed("III", Signal.SIGUSR1, 0, 0))  # si_errno, SI_USER
    assert told[{32: 12, 64: 16}[BITS] :].startswith(packed("II", 100, 0))  # si_pid, si_uid
    told = memory[frame + context :]
    assert told.startswith(packed("NNNIN", 0, 0, stack, 0, size))  # uc_flags, uc_link, uc_stack
    # ebx, ecx, eax, eip; rdi, rsi, rax, rip and rcx: kill(100, SIGUSR1) has returned 0
    places = {32: (8, 10, 11, 14), 64: (8, 9, 13, 16, 14)}[BITS]
    for place, value in zip(places, (100, Signal.SIGUSR1, 0, CALLED, CALLED), strict=False):
        assert told[(5 + place) * WORD :].startswith(word(value))
    sigcontext = {32: 88, 64: 256}[BITS]
    assert told[5 * WORD + sigcontext :].startswith(packed("Q", blocked))


def test_frame_that_cannot_be_written(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGUSR1, "count", SaFlags.ONSTACK)
    alternate_stack(script, NOWHERE, 0x4000)
    kill_self(script, Signal.SIGUSR1)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.exit_status == 128 + 11


def test_handler_nowhere(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGSEGV, NOWHERE, SaFlags.NODEFER)
    script.run_code("peek", cx=NOWHERE)
    ran = script.run(tmp_path, ram="16M")
    assert ran.status is not None
    assert ran.status.exit_status == 128 + 11  # frames until the stack ends


def test_reset_hand(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGUSR1, "count", SaFlags.RESETHAND)
    kill_self(script, Signal.SIGUSR1)
    kill_self(script, Signal.SIGUSR1)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.exit_status == 128 + 10


@pytest.mark.parametrize("name", sorted(NUMBERS.keys() & {"sigreturn", "rt_sigreturn"}))
def test_sigreturn_with_a_wild_stack(tmp_path: Path, name: str) -> None:
    script = Script()
    script.call(name)
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.signaled


@pytest.mark.parametrize(("flags", "result"), [(0, -errno.EINTR), (SaFlags.RESTART, 3)])
def test_read_is_interrupted_or_restarted(tmp_path: Path, flags: int, result: int) -> None:
    """A child signals its parent, which sleeps in read(), and later writes."""
    script = Script()
    action(script, Signal.SIGUSR1, "count", flags)
    fds = script.put(8)
    script.call("pipe", fds)
    fork = script.call("fork")
    read = script.call("read", 3, script.put(8), 8)
    script.end()
    script.if_zero(fork)
    script.call("nanosleep", script.words(0, 1000_000), 0)
    kill_self(script, Signal.SIGUSR1)
    script.call("nanosleep", script.words(0, 1000_000), 0)
    script.call("write", 4, script.put(b"abc"), 3)
    script.call("exit", 0)
    ran = script.run(tmp_path)
    assert signed(ran.results[read]) == result
    assert ran.word(COUNTER) == 1


def test_sleep_goes_on_after_an_ignored_stop(tmp_path: Path) -> None:
    """SIGSTOP and SIGCONT do not shorten nanosleep() (restart_syscall)."""
    script = Script()
    fork = script.call("fork")
    sleep = script.call("nanosleep", script.words(0, 50_000_000), 0)
    clock = script.words(0, 0)
    script.call("clock_gettime", 1, clock)
    script.end()
    script.if_zero(fork)
    script.call("kill", 100, Signal.SIGSTOP)
    script.call("nanosleep", script.words(0, 10_000_000), 0)
    script.call("kill", 100, Signal.SIGCONT)
    script.call("exit", 0)
    ran = script.run(tmp_path)
    assert ran.results[sleep] == 0
    assert 50_000_000 <= ran.word(clock + WORD) < 51_000_000


def test_alarm_ends_pause_and_a_busy_loop(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGALRM, "count")
    script.call("alarm", 1)
    left = script.call("alarm", 2)
    pause = script.call("pause")
    script.call("setitimer", 0, script.words(0, 0, 0, 500), 0)  # ITIMER_REAL, 500 us
    script.run_code("spin", cx=1_000_000)
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[left] == 1
    assert signed(ran.results[pause]) == -errno.EINTR
    assert ran.word(COUNTER) == 2


def test_a_register_like_a_restart_comes_back_from_a_handler(tmp_path: Path) -> None:
    """-ERESTARTSYS in ax where a handler came is no reason to make sigreturn() again."""
    script = Script()
    action(script, Signal.SIGALRM, "count", SaFlags.RESTART)
    script.call("setitimer", 0, script.words(0, 0, 0, 500), 0)
    busy = script.run_code("busy", cx=1_000_000)
    script.end()
    ran = script.run(tmp_path)
    assert ran.word(COUNTER) == 1
    assert signed(ran.results[busy]) == -512


def test_sigsuspend(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGUSR1, "count")
    mask(script, SIG_SETMASK, ALL)
    kill_self(script, Signal.SIGUSR1)
    suspend = script.call("rt_sigsuspend", script.struct("Q", 0), 8)
    old = script.put(8)
    script.call("rt_sigprocmask", SIG_SETMASK, 0, old, 8)
    script.end()
    ran = script.run(tmp_path)
    assert signed(ran.results[suspend]) == -errno.EINTR
    assert ran.word(COUNTER) == 1
    assert ran.u64(old) & mask_of([Signal.SIGUSR1])


def test_sigchld_and_ignored_children(tmp_path: Path) -> None:
    script = Script()
    action(script, Signal.SIGCHLD, "count")
    fork = script.call("fork")
    status = script.put(4)
    waited = script.call("wait4", -1, status, 0, 0)
    action(script, Signal.SIGCHLD, SIG_IGN)
    second = script.call("fork")
    none = script.call("wait4", -1, 0, 0, 0)
    script.end()
    script.if_zero(second)
    script.if_zero(fork)
    script.call("exit", 3)
    ran = script.run(tmp_path)
    assert ran.results[waited] == 101
    assert ran.u32(status) == 3 << 8
    assert ran.word(COUNTER) == 1
    assert signed(ran.results[none]) == -errno.ECHILD
