/*
 * cpu/syscall.c - system calls with nothing to decide: who am I?
 *
 * They are answered inside the interrupt hook, without stopping the engine.
 * Counters, clock and events are those of a call that Python answers.
 */
#include "core/core.h"
#include "cpu/cpu.h"

enum {
	NR_getpid = 20,
	NR_getuid = 24,
	NR_getgid = 47,
	NR_geteuid = 49,
	NR_getegid = 50,
	NR_getppid = 64,
	NR_getuid32 = 199,
	NR_getgid32 = 200,
	NR_geteuid32 = 201,
	NR_getegid32 = 202,
	NR_gettid = 224,
};

static const uint32_t *answer(const struct vmemu *m, uint32_t number)
{
	switch (number) {
	case NR_getpid:
	case NR_gettid:
		return &m->ids.pid;
	case NR_getppid:
		return &m->ids.ppid;
	case NR_getuid:
	case NR_geteuid:
	case NR_getuid32:
	case NR_geteuid32:
		return &m->ids.uid;
	case NR_getgid:
	case NR_getegid:
	case NR_getgid32:
	case NR_getegid32:
		return &m->ids.gid;
	default:
		return NULL;
	}
}

/* The call's result, or NULL: Python must answer, or its turn has come. */
const uint32_t *syscall_in_c(struct vmemu *m, uint32_t number)
{
	const uint32_t *result = answer(m, number);

	if (!result || !m->syscalls_in_c ||
	    m->clock + SYSCALL_NS >= m->clock_limit)
		return NULL;
	count(m, CNT_syscalls);
	count(m, CNT_syscall_c);
	m->clock += SYSCALL_NS;
	event(m, EV_syscall, number, *result, 0);
	return result;
}
