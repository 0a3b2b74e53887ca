/*
 * cpu/syscall.c - system calls with nothing to decide: who am I?  Their numbers
 * are in cpu/i386.c and cpu/x86_64.c.
 *
 * They are answered inside the interrupt hook, without stopping the engine.
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
