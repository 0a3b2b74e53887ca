/*
 * cpu/engine.c - Unicorn's engines, and one that may wait ready-made.
 *
 * To make one costs more than to run a small program.  A process that is forked for one
 * machine and ends takes the one that its parent had made.
 */
#include "core/core.h"
#include "cpu/cpu.h"

#include <string.h>

/* Of this process; whoever takes it exchanges it for none. */
static void *spare;

static int make(const struct uc_functions *uc, void **engine)
{
	int err = uc->open(UC_ARCH_X86, ENGINE_MODE, engine);

	if (err)
		return err;
	/* One CPU for all hosts, and none that hands the host's random numbers
	 * on: this one has no rdrand and no rdseed.  Comes before all else. */
	err = uc->ctl(*engine, CTL_CPU_MODEL, UC_CPU_X86_SANDYBRIDGE);
	if (!err)
		err = uc->ctl(*engine, CTL_TLB_TYPE, UC_TLB_VIRTUAL);
	/* No exit address: with `until` 0, a jump to 0 would just stop. */
	if (!err)
		err = uc->ctl(*engine, CTL_USE_EXITS, 1);
	if (err)
		uc->close(*engine);
	return err;
}

int cpu_engine(const struct uc_functions *uc, void **engine)
{
	*engine = __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQ_REL);
	return *engine ? 0 : make(uc, engine);
}

int cpu_spare(void *const *functions)
{
	struct uc_functions uc;
	void *engine;
	int err;

	memcpy(&uc, functions, sizeof(uc));
	err = make(&uc, &engine);
	if (err)
		return err;
	engine = __atomic_exchange_n(&spare, engine, __ATOMIC_ACQ_REL);
	return engine ? uc.close(engine) : 0;
}
