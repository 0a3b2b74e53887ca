/*
 * cpu/syscall.c - the way of a system call to Python and back, and calls with
 * nothing to decide: who am I?  Their numbers are in cpu/i386.c and cpu/x86_64.c.
 *
 * Those are answered inside the interrupt hook, without stopping the engine.
 * Counters, clock and events are those of a call that Python answers.
 */
#include "core/core.h"
#include "cpu/cpu.h"

/* The call's result, or NULL: Python must answer, or its turn has come. */
const uint32_t *syscall_in_c(struct vmemu *m, kulong number)
{
	const uint32_t *result = syscall_answer(m, number);

	if (!result || !m->cpu.syscalls_in_c ||
	    m->clock.now + SYSCALL_NS >= m->clock.limit)
		return NULL;
	count(m, CNT_syscalls);
	count(m, CNT_syscall_c);
	m->clock.now += SYSCALL_NS;
	event(m, EV_syscall, number, *result, 0);
	return result;
}

int cpu_run_to_call(struct vmemu *m)
{
	int trap = cpu_run(m);
	struct cpu_call *call = &m->cpu.call;

	if (trap != TRAP_SYSCALL || m->trouble)
		return -trap;
	call->number = m->regs.ax;
	cpu_arguments(&m->regs, call->args);
	count(m, CNT_syscalls);
	m->clock.now += SYSCALL_NS;
	return call->number < NO_SYSCALL ? (int)call->number : NO_SYSCALL;
}

/* An event that is written has an argument as well, as Python understands it. */
int cpu_call_ends(struct vmemu *m, kulong result)
{
	m->regs.ax = result;
	if (unlikely(m->trace.told >> EV_syscall & 1))
		return 1;
	m->trace.happened[EV_syscall]++;
	return 0;
}
