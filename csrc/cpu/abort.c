/*
 * cpu/abort.c - what to do when the engine gives up.
 *
 * There is code, known to docs/unicorn.md, at which Unicorn aborts the process
 * while it translates, and there may be more.  A process that runs many guests
 * must not die of one, so the signal is caught and the run left.  The engine is
 * not touched again, not even to close it, and its machine cannot go on.
 */
#include "cpu/cpu.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t guards;          /* who wants the handler */
static struct sigaction handler; /* the process' own, meanwhile */
static _Thread_local sigjmp_buf *abort_point;

/* abort() signals its own thread; what kill() or another process sends is no abort. */
static int from_abort(const siginfo_t *info)
{
	return info->si_code == SI_TKILL && info->si_pid == getpid();
}

static void on_abort(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (abort_point && from_abort(info))
		siglongjmp(*abort_point, 1);
	/* Not the engine's: let it end the process as it would have. */
	sigaction(signal, &handler, NULL);
	raise(signal);
}

void cpu_guard(int on)
{
	struct sigaction action = { .sa_sigaction = on_abort,
				    .sa_flags = SA_SIGINFO };

	pthread_mutex_lock(&guards_lock);
	if (on && !guards++)
		sigaction(SIGABRT, &action, &handler);
	else if (!on && guards && !--guards)
		sigaction(SIGABRT, &handler, NULL);
	pthread_mutex_unlock(&guards_lock);
}

int cpu_start_engine(struct vmemu *m, kulong ip)
{
	sigjmp_buf here;
	sigset_t set;
	int err;

	if (sigsetjmp(here, 0)) {
		abort_point = NULL;
		sigemptyset(&set);
		sigaddset(&set, SIGABRT);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		m->cpu.aborted = m->trouble = 1;
		return UC_ERR_OK;
	}
	abort_point = &here;
	err = m->cpu.state->uc.emu_start(m->cpu.uc, ip, 0, 0, 0);
	abort_point = NULL;
	return err;
}
