/*
 * cpu/run.c - runs guest code in Unicorn until something needs the kernel.
 *
 * Faults the TLB-fill hook may not resolve (FAULT_OUTSIDE) are resolved here,
 * between two runs of the engine, without going back to Python's scheduler.
 */
#include "core/core.h"
#include "cpu/cpu.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"

/* ---- hooks -------------------------------------------------------------- */

void cpu_stop_engine(struct vmemu *m, enum cpu_trap trap)
{
	m->cpu.state->trap = trap;
	if (trap != TRAP_FORBIDDEN) /* which goes on for a while */
		cpu_exits_off(m);
	m->cpu.state->uc.emu_stop(m->cpu.uc);
}

static void on_interrupt(void *uc, uint32_t vector, void *user)
{
	static const int eax = REG_EAX;
	struct vmemu *m = user;
	bool call = cpu_calls_by(m, vector);
	const uint32_t *result;
	uint32_t number;

	if (m->cpu.state->trap == TRAP_FORBIDDEN)
		return;
	if (call && m->cpu.syscalls_in_c) {
		m->cpu.state->uc.reg_read(uc, eax, &number);
		result = syscall_in_c(m, number);
		if (result) {
			m->cpu.state->uc.reg_write(uc, eax, result);
			return;
		}
	}
	m->cpu.trap_vector = vector;
	cpu_stop_engine(m, call ? TRAP_SYSCALL : TRAP_EXCEPTION);
}

static void on_block(void *uc, uint64_t address, uint32_t size, void *user)
{
	struct vmemu *m = user;

	(void)uc;
	(void)address;
	(void)size;
	if (--m->cpu.state->blocks_left == 0)
		cpu_stop_engine(m, TRAP_PREEMPT);
}

/*
 * Guests see virtual time, and see it pass: they may wait for it in a loop.
 * Nonzero = the instruction has been done.
 */
static int on_rdtsc(void *uc, void *user)
{
	static const int regs[] = { REG_AX, REG_DX };
	struct vmemu *m = user;
	kulong low, high;
	void *values[] = { &low, &high };

	m->clock.now += RDTSC_NS;
	low = (uint32_t)m->clock.now;
	high = (uint32_t)(m->clock.now >> 32);
	m->cpu.state->uc.reg_write_batch(uc, regs, values, 2);
	return 1;
}

static int on_rdtscp(void *uc, void *user)
{
	struct vmemu *m = user;
	kulong processor = 0;

	m->cpu.state->uc.reg_write(uc, REG_CX, &processor);
	return on_rdtsc(uc, user);
}

/*
 * Instructions user code may not execute, but Unicorn hands to a hook instead
 * of raising an exception.  The hook cannot leave the block: what it would
 * still execute must not be taken for the guest's doing, so the registers are
 * kept as they are now and everything until the engine stops is ignored.
 */
void cpu_forbidden(struct vmemu *m, uint32_t vector)
{
	if (m->cpu.state->trap == TRAP_FORBIDDEN)
		return;
	m->cpu.trap_vector = vector;
	cpu_store_regs(m);
	cpu_stop_engine(m, TRAP_FORBIDDEN);
}

static uint32_t on_in(void *uc, uint32_t port, int size, void *user)
{
	(void)uc;
	(void)port;
	(void)size;
	cpu_forbidden(user, 13);
	return 0;
}

static void on_out(void *uc, uint32_t port, int size, uint32_t value,
		   void *user)
{
	(void)uc;
	(void)port;
	(void)size;
	(void)value;
	cpu_forbidden(user, 13);
}

static void on_sysenter(void *uc, void *user)
{
	(void)uc;
	cpu_forbidden(user, 6);
}

int cpu_hooks(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;
	const struct {
		int insn;
		void *callback;
	} insns[] = {
		{ UC_X86_INS_RDTSC, on_rdtsc },
		{ UC_X86_INS_RDTSCP, on_rdtscp },
		{ UC_X86_INS_IN, on_in },
		{ UC_X86_INS_OUT, on_out },
		{ UC_X86_INS_SYSENTER, on_sysenter },
	};
	size_t hook, i;
	int err;

	err = cpu->uc.hook_add(m->cpu.uc, &hook, UC_HOOK_TLB_FILL, cpu_tlb_fill,
			       m, 1, 0);
	if (!err)
		err = cpu->uc.hook_add(m->cpu.uc, &hook, UC_HOOK_INTR,
				       on_interrupt, m, 1, 0);
	for (i = 0; !err && i < sizeof(insns) / sizeof(*insns); i++)
		err = cpu->uc.hook_add(m->cpu.uc, &hook, UC_HOOK_INSN,
				       insns[i].callback, m, 1, 0,
				       insns[i].insn);
	return err ? err : cpu_syscall_hook(m);
}

/*
 * The block before which the engine stops is counted, but not run.  Without
 * slices the count is of what is left until the hook goes.
 */
void cpu_new_slice(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;

	if (cpu->slice)
		cpu->blocks_left = (uint64_t)cpu->slice + 1;
}

/* The hook is compiled into blocks: when it comes or goes, all must go. */
static void hook_blocks(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;

	cpu->uc.hook_add(m->cpu.uc, &cpu->hook_block, UC_HOOK_BLOCK, on_block,
			 m, 1, 0);
	cpu->uc.ctl(m->cpu.uc, CTL_TB_FLUSH);
}

static void unhook_blocks(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;

	cpu->uc.hook_del(m->cpu.uc, cpu->hook_block);
	cpu->hook_block = 0;
	cpu->uc.ctl(m->cpu.uc, CTL_TB_FLUSH);
}

/*
 * When slices end, the hook stays for HOOK_BLOCKS more: whoever forks and
 * waits will want them again before they have cost as much as translating
 * everything twice.
 */
void cpu_set_preempt(struct vmemu *m, uint32_t blocks)
{
	struct cpu_state *cpu = m->cpu.state;

	cpu->slice = blocks;
	cpu_new_slice(m);
	if (!blocks)
		cpu->blocks_left = HOOK_BLOCKS;
	else if (!cpu->hook_block)
		hook_blocks(m);
}

int cpu_counts_blocks(struct vmemu *m)
{
	return m->cpu.state->hook_block != 0;
}

/* ---- running -------------------------------------------------------------- */

/* Vectors whose gates user code may use: int3, into, bound. */
static bool user_gate(uint32_t vector)
{
	return vector >= 3 && vector <= 5;
}

/*
 * `int n` through any other gate is #GP at the instruction.  Unicorn reports
 * it as exception n behind the instruction, so it has to be recognised there.
 */
static void refuse_int(struct vmemu *m)
{
	kulong ip = m->regs.ip - 2;

	if (user_gate(m->cpu.trap_vector) || cpu_user_byte(m, ip) != 0xcd ||
	    cpu_user_byte(m, ip + 1) != (int)m->cpu.trap_vector)
		return;
	m->regs.ip = ip;
	m->cpu.trap_vector = 13;
}

/* The engine stopped by itself. */
static enum cpu_trap stopped(struct vmemu *m, int err)
{
	if (err == UC_ERR_OK && m->cpu.state->stop)
		return TRAP_STOP;
	m->cpu.trap_vector = err == UC_ERR_INSN_INVALID ? 6 : 13;
	return TRAP_EXCEPTION;
}

int cpu_run(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;
	kulong ip = m->regs.ip;
	enum cpu_trap trap;
	enum cpu_exit met;
	int err;

	if (BUG_ON(m, !cpu->current || !m->current_mm) || m->cpu.aborted)
		return TRAP_STOP;
	if (cpu->stop) {
		/* The engine knows neither the new ip nor the registers. */
		cpu->stop = 0;
		return TRAP_STOP;
	}
	lockdep_path_ends(m, "the way back to user mode");
	cpu_load_regs(m);
	for (;;) {
		if (cpu->exits_full)
			cpu_forget_exits(m);
		if (cpu->exits_untold)
			cpu_tell_exits(m);
		if (cpu->rewritten) {
			code_written(m, cpu->rewritten);
			cpu->rewritten = NULL;
		}
		if (m->pages.nr_quarantine)
			drop_code(m);
		if (m->tlb.stale)
			cpu_flush_tlb(m);
		cpu->trap = TRAP_NONE;
		cpu->phase = CPU_GUEST;
		cpu_exits_on(m);
		err = cpu_start_engine(m, ip);
		cpu->phase = CPU_IDLE;
		if (unlikely(m->cpu.aborted)) {
			m->regs.ip = ip;
			m->fault.in_hook = 0;
			return TRAP_STOP;
		}
		met = cpu_stopped(m, err);
		if (met == EXIT_PASSED) {
			ip = m->regs.ip;
			continue;
		}
		if (met == EXIT_REFUSED)
			err = UC_ERR_INSN_INVALID;
		trap = cpu->trap ? cpu->trap : stopped(m, err);
		if (trap == TRAP_PREEMPT && !cpu->slice) {
			unhook_blocks(m);
			ip = cpu_note_regs(m);
			if (cpu->stop) {
				trap = TRAP_STOP;
				break;
			}
			continue;
		}
		if (trap != TRAP_FAULT)
			break;
		ip = cpu_note_regs(m);
		if (m->fault.result == FAULT_OUTSIDE) {
			count(m, CNT_fault_outside);
			m->fault.result =
				(uint32_t)page_fault(m, m->current_mm,
						     m->fault.address,
						     (int)m->fault.access);
		}
		if (m->fault.result > FAULT_MAJOR)
			break;
		if (cpu->stop || m->pages.want_kswapd || must_stop(m)) {
			trap = TRAP_STOP;
			break;
		}
	}
	/* What is loaded from here on must not depend on how the run ended. */
	cpu->trap = TRAP_NONE;
	if (trap == TRAP_FORBIDDEN)
		trap = TRAP_EXCEPTION;
	else
		cpu_store_regs(m);
	if (trap == TRAP_SYSCALL)
		cpu_after_syscall(m);
	if (trap == TRAP_STOP) {
		cpu->stop = 0;
	} else if (trap == TRAP_PREEMPT) {
		m->clock.now += cpu->slice;
		cpu_new_slice(m);
	} else if (trap == TRAP_EXCEPTION) {
		refuse_int(m);
		cpu_forget_exception(m);
	}
	return trap;
}

void cpu_request_stop(struct vmemu *m)
{
	m->cpu.state->stop = 1;
	m->cpu.state->uc.emu_stop(m->cpu.uc);
}

int cpu_stop_pending(struct vmemu *m)
{
	return m->cpu.state && m->cpu.state->stop;
}
