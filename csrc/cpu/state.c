/*
 * cpu/state.c - what the CPU holds: boots the engine into ring 3, moves
 * registers between it and the kernel, switches it between tasks.
 *
 * There is one engine for all tasks.  A task that is not running has its state
 * in a cpu_context; the running one's general registers are in m->regs, and
 * whatever the kernel changes there reaches the engine at the next cpu_run().
 */
#include "core/core.h"
#include "cpu/cpu.h"

#include <stdlib.h>

const int cpu_reg_ids[NR_REGS] = { REG_IDS };

/* flags user code may set: CF PF AF ZF SF TF DF OF NT AC ID */
#define USER_EFLAGS 0x00244dd5u

/* ---- the GDT ------------------------------------------------------------- */

#define NO_SELECTOR ((kulong) - 1) /* equals none that is wanted */

static uint64_t *gdt(struct vmemu *m)
{
	return (uint64_t *)(m->ram + GDT_PFN * PAGE_SIZE);
}

static bool names_tls(kulong selector)
{
	kulong entry = selector >> 3;

	return entry >= GDT_ENTRY_TLS_MIN &&
	       entry < GDT_ENTRY_TLS_MIN + GDT_ENTRY_TLS_ENTRIES;
}

/*
 * The engine keeps what a descriptor said when it was loaded: segments that
 * name an entry are loaded again at the next cpu_run(), as at a switch.
 */
static void load_tls(struct vmemu *m, const struct cpu_context *context)
{
	struct cpu_regs *held = &m->cpu.state->engine;
	kulong *segments[] = { &held->ds, &held->es, &held->fs, &held->gs };
	int i;

	memcpy(gdt(m) + GDT_ENTRY_TLS_MIN, context->tls, sizeof(context->tls));
	for (i = 0; i < 4; i++)
		if (names_tls(*segments[i]))
			*segments[i] = NO_SELECTOR;
}

static uint64_t *tls_slot(struct vmemu *m, struct cpu_context *context,
			  int entry)
{
	int i = entry - GDT_ENTRY_TLS_MIN;

	if (BUG_ON(m, i < 0 || i >= GDT_ENTRY_TLS_ENTRIES))
		i = 0;
	return &context->tls[i];
}

void cpu_set_tls(struct vmemu *m, struct cpu_context *context, int entry,
		 uint64_t descriptor)
{
	/* The page is read-only for the CPU: it must not need to set this. */
	if (descriptor)
		descriptor |= DESC_ACCESSED;
	*tls_slot(m, context, entry) = descriptor;
	if (context == m->cpu.state->current)
		load_tls(m, context);
}

uint64_t cpu_get_tls(struct vmemu *m, struct cpu_context *context, int entry)
{
	return *tls_slot(m, context, entry);
}

/*
 * Would ring 3 be allowed to load this into ds, es, fs or gs?  Unicorn would
 * raise the exception outside uc_emu_start(), where nothing catches it.
 */
static bool user_selector(struct vmemu *m, kulong selector)
{
	uint64_t wanted = DESC_SEGMENT | DESC_PRESENT | DESC_DPL_3;
	uint64_t descriptor;

	if (selector < 4)
		return true;
	if (selector & 4 || selector >= GDT_ENTRIES * 8)
		return false;
	descriptor = gdt(m)[selector >> 3];
	if ((descriptor & wanted) != wanted)
		return false;
	return !(descriptor & DESC_TYPE_CODE) || descriptor & DESC_READABLE;
}

/* ---- registers ----------------------------------------------------------- */

void cpu_store_regs(struct vmemu *m)
{
	m->cpu.state->uc.reg_read_batch(m->cpu.uc, cpu_reg_ids,
					m->cpu.state->values, NR_REGS);
	m->cpu.state->engine = m->regs;
}

kulong cpu_note_regs(struct vmemu *m)
{
	m->cpu.state->uc.reg_read_batch(m->cpu.uc, cpu_reg_ids,
					m->cpu.state->values, NR_ADDRESS_REGS);
	return m->regs.ip;
}

kulong cpu_note_ip(struct vmemu *m)
{
	m->cpu.state->uc.reg_read(m->cpu.uc, REG_IP, &m->regs.ip);
	return m->regs.ip;
}

uint32_t cpu_descriptor_base(struct vmemu *m, kulong selector)
{
	uint64_t descriptor;

	if (!user_selector(m, selector))
		return 0;
	descriptor = gdt(m)[selector >> 3];
	return (uint32_t)(descriptor >> 16 & 0xffffff) |
	       (uint32_t)(descriptor >> 56) << 24;
}

static void load_segment(struct vmemu *m, int reg, kulong *wanted, kulong *held)
{
	if (*wanted == *held)
		return;
	if (!user_selector(m, *wanted))
		*wanted = 0; /* as a failed loadsegment() in the kernel */
	m->cpu.state->uc.reg_write(m->cpu.uc, reg, wanted);
	*held = *wanted;
}

void cpu_load_regs(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;
	struct cpu_regs *regs = &m->regs, *held = &cpu->engine;
	const kulong *new = (const kulong *)regs;
	const kulong *old = (const kulong *)held;
	int ids[NR_REGS], n = 0;
	void *values[NR_REGS];
	size_t i;

	regs->flags = (regs->flags & USER_EFLAGS) | FIXED_EFLAGS;
	regs->cs = held->cs;
	regs->ss = held->ss;
	for (i = 0; i < NR_GENERAL_REGS; i++) {
		/* ip goes to uc_emu_start() */
		if (new[i] == old[i] || cpu_reg_ids[i] == REG_IP)
			continue;
		ids[n] = cpu_reg_ids[i];
		values[n++] = cpu->values[i];
	}
	if (n)
		cpu->uc.reg_write_batch(m->cpu.uc, ids, values, n);
	load_segment(m, REG_DS, &regs->ds, &held->ds);
	load_segment(m, REG_ES, &regs->es, &held->es);
	load_segment(m, REG_FS, &regs->fs, &held->fs);
	load_segment(m, REG_GS, &regs->gs, &held->gs);
	*held = *regs;
	if (unlikely(cpu->bases_set)) { /* by a selector they would be lost */
		cpu_load_bases(m, cpu->base);
		cpu->bases_set = false;
	}
}

void cpu_set_base(struct vmemu *m, struct cpu_context *context, int base,
		  kulong address)
{
	struct cpu_state *cpu = m->cpu.state;
	bool running = context == cpu->current;
	kulong *bases = running ? cpu->base : context->base;

	if (running && !cpu->bases_set)
		cpu_note_bases(m, bases);
	if (base == BASE_FS)
		cpu_context_regs(m, context)->fs = 0;
	else
		cpu_context_regs(m, context)->gs = 0;
	bases[base] = address;
	*(running ? &cpu->bases_set : &context->bases_set) = true;
}

kulong cpu_get_base(struct vmemu *m, int base)
{
	struct cpu_state *cpu = m->cpu.state;

	if (!cpu->bases_set)
		cpu_note_bases(m, cpu->base);
	return cpu->base[base];
}

/*
 * After an exception Unicorn remembers it (old_exception) and would turn the
 * next one into a double fault.  Only a context saved before forgets it.
 */
void cpu_forget_exception(struct vmemu *m)
{
	struct cpu_fxsave fpu;

	cpu_fxsave(m, &fpu);
	if (!m->cpu.state->bases_set)
		cpu_note_bases(m, m->cpu.state->base);
	m->cpu.state->bases_set = true;
	m->cpu.state->uc.context_restore(m->cpu.uc, m->cpu.state->boot_context);
	m->cpu.state->engine = m->cpu.state->boot_regs;
	cpu_fxrstor(m, &fpu);
}

/* ---- contexts ------------------------------------------------------------ */

static struct cpu_context *context_alloc(struct vmemu *m)
{
	struct cpu_context *context = calloc(1, sizeof(*context));

	if (!context)
		return NULL;
	if (m->cpu.state->uc.context_alloc(m->cpu.uc, &context->saved)) {
		free(context);
		return NULL;
	}
	return context;
}

struct cpu_context *cpu_context_new(struct vmemu *m)
{
	struct cpu_context *context = context_alloc(m);

	if (context)
		cpu_context_reset(m, context);
	return context;
}

/* The running task's state is in the engine: bring its context up to date. */
static void save_current(struct vmemu *m)
{
	struct cpu_context *current = m->cpu.state->current;

	if (!current)
		return;
	cpu_load_regs(m);
	current->regs = m->regs;
	m->cpu.state->uc.context_save(m->cpu.uc, current->saved);
	current->bases_set = false;
}

static void load_context(struct vmemu *m, struct cpu_context *context)
{
	m->cpu.state->uc.context_restore(m->cpu.uc, context->saved);
	cpu_store_regs(m);
	m->regs = context->regs;
	load_tls(m, context);
	m->cpu.state->bases_set = context->bases_set;
	memcpy(m->cpu.state->base, context->base, sizeof(context->base));
}

void cpu_context_reset(struct vmemu *m, struct cpu_context *context)
{
	bool running = context == m->cpu.state->current;

	if (!running)
		save_current(m);
	m->cpu.state->uc.context_restore(m->cpu.uc, m->cpu.state->boot_context);
	m->cpu.state->uc.context_save(m->cpu.uc, context->saved);
	context->regs = m->cpu.state->boot_regs;
	context->bases_set = false;
	memset(context->tls, 0, sizeof(context->tls));
	if (running)
		m->cpu.state->bases_set = false;
	if (m->cpu.state->current)
		load_context(m, m->cpu.state->current);
}

struct cpu_context *cpu_context_clone(struct vmemu *m, struct cpu_context *from)
{
	struct cpu_context *context = context_alloc(m);
	bool running = from == m->cpu.state->current;

	if (!context)
		return NULL;
	save_current(m);
	if (!running)
		m->cpu.state->uc.context_restore(m->cpu.uc, from->saved);
	m->cpu.state->uc.context_save(m->cpu.uc, context->saved);
	context->regs = from->regs;
	memcpy(context->tls, from->tls, sizeof(context->tls));
	cpu_note_bases(m, context->base); /* one of them may be set alone */
	if (!running && from->bases_set) {
		memcpy(context->base, from->base, sizeof(from->base));
		context->bases_set = true;
	}
	if (m->cpu.state->current && !running)
		load_context(m, m->cpu.state->current);
	return context;
}

void cpu_context_free(struct vmemu *m, struct cpu_context *context)
{
	if (!context)
		return;
	if (context == m->cpu.state->current)
		m->cpu.state->current = NULL;
	m->cpu.state->uc.context_free(context->saved);
	free(context);
}

struct cpu_regs *cpu_context_regs(struct vmemu *m, struct cpu_context *context)
{
	return context == m->cpu.state->current ? &m->regs : &context->regs;
}

void cpu_switch(struct vmemu *m, struct cpu_context *context,
		struct mm_struct *mm)
{
	struct cpu_state *cpu = m->cpu.state;

	if (mm != m->current_mm) {
		m->current_mm = mm;
		m->tlb.stale = 1;
	}
	cpu_new_slice(m);
	if (context == cpu->current)
		return;
	save_current(m);
	cpu->current = context;
	if (context)
		load_context(m, context);
}

/* ---- boot ---------------------------------------------------------------- */

/* The engine starts in ring 0; its page, which has the GDT, is empty. */
static int cpu_boot(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;
	uint8_t *page = m->ram + GDT_PFN * PAGE_SIZE;
	uint16_t fcw = 0x37f, fptag = 0xffff;
	uint32_t mxcsr = 0x1f80, ds = USER_DS;
	int err;

	cpu->phase = CPU_BOOT;
	err = cpu_enter_ring3(m, page);
	if (!err && cpu->trap == TRAP_SYSCALL) {
		cpu->uc.reg_write(m->cpu.uc, REG_DS, &ds);
		cpu->uc.reg_write(m->cpu.uc, REG_ES, &ds);
		cpu->uc.reg_write(m->cpu.uc, REG_FPCW, &fcw);
		cpu->uc.reg_write(m->cpu.uc, REG_FPTAG, &fptag);
		cpu->uc.reg_write(m->cpu.uc, REG_MXCSR, &mxcsr);
	}
	cpu->phase = CPU_IDLE;
	memset(page + BOOT_STUB, 0, PAGE_SIZE - BOOT_STUB);
	cpu->uc.ctl(m->cpu.uc, CTL_TB_FLUSH);
	cpu->uc.ctl(m->cpu.uc, CTL_TLB_FLUSH);
	cpu_store_regs(m);
	if (m->regs.cs != USER_CS || m->regs.ss != USER_DS)
		return -1;
	m->regs.ip = 0;
	cpu->boot_regs = cpu->engine = m->regs;
	return cpu->uc.context_save(m->cpu.uc, cpu->boot_context);
}

static const struct cpu_ops ops = {
	.exact_fault = cpu_exact_fault,
	.remove_blocks = cpu_remove_blocks,
};

int cpu_init(struct vmemu *m, void *const *functions)
{
	struct cpu_state *cpu = calloc(1, sizeof(*cpu));
	size_t i;
	int err;

	if (!cpu)
		return -1;
	m->cpu.state = cpu;
	m->tlb.patience = cpu->tlb_grow_at = TLB_PATIENCE;
	memcpy(&cpu->uc, functions, sizeof(cpu->uc));
	for (i = 0; i < NR_REGS; i++)
		cpu->values[i] = (kulong *)&m->regs + i;
	err = cpu_exits_init(m) ? 0 : -1;
	if (!err)
		err = cpu_engine(&cpu->uc, &m->cpu.uc);
	if (err) {
		cpu_exits_free(m);
		free(cpu);
		m->cpu.state = NULL;
		return err;
	}
	m->cpu_ops = &ops;
	err = cpu->uc.mem_map_ptr(m->cpu.uc, 0, m->ram_size, UC_PROT_ALL,
				  m->ram);
	if (!err)
		err = cpu_hooks(m);
	if (!err)
		err = cpu->uc.context_alloc(m->cpu.uc, &cpu->boot_context);
	if (!err)
		err = cpu_boot(m);
	if (err)
		cpu_exit(m);
	return err;
}

void cpu_exit(struct vmemu *m)
{
	struct cpu_state *cpu = m->cpu.state;

	if (!cpu)
		return;
	if (cpu->boot_context)
		cpu->uc.context_free(cpu->boot_context);
	if (!m->cpu.aborted)
		cpu->uc.close(m->cpu.uc);
	cpu_exits_free(m);
	free(cpu);
	m->cpu_ops = NULL;
	m->cpu.state = NULL;
	m->cpu.uc = NULL;
}
