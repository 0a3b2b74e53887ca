/*
 * cpu/x86_64.c - what is x86-64's own: long mode, the syscall instruction, segment
 * bases that no descriptor holds.
 */
#include "core/core.h"
#include "cpu/cpu.h"

/*
 * The engine starts in long mode and ring 0, without a GDT.  Ring 3 can only be
 * entered by an instruction: a stub in the GDT's page does iretq to the int 0x80
 * behind it.
 */
int cpu_enter_ring3(struct vmemu *m, uint8_t *page)
{
	static const uint8_t stub[] = { 0x48, 0xcf, 0xcd,
					0x80 }; /* iretq; int $0x80 */
	const struct uc_functions *uc = &m->cpu.state->uc;
	uint64_t *gdt = (uint64_t *)page;
	uint64_t frame[] = { GDT_ADDRESS + BOOT_STUB + 2, USER_CS, FIXED_EFLAGS,
			     0, USER_DS };
	struct uc_x86_mmr gdtr = { .base = GDT_ADDRESS,
				   .limit = GDT_ENTRIES * 8 - 1 };
	/* PAE OSFXSR OSXMMEXCPT; no OSXSAVE and no FSGSBASE, as 2.6.7 has none */
	uint64_t cr4 = 0x620, rsp = GDT_ADDRESS + BOOT_STACK;

	gdt[GDT_KERNEL_CS] = LONG_CODE(0);
	gdt[GDT_KERNEL_DS] = FLAT_DATA(0);
	gdt[GDT_USER32_CS] = FLAT_CODE(3);
	gdt[GDT_USER_DS] = FLAT_DATA(3);
	gdt[GDT_USER_CS] = LONG_CODE(3);
	memcpy(page + BOOT_STUB, stub, sizeof(stub));
	memcpy(page + BOOT_STACK, frame, sizeof(frame));
	uc->reg_write(m->cpu.uc, REG_GDTR, &gdtr);
	uc->reg_write(m->cpu.uc, REG_CR4, &cr4);
	uc->reg_write(m->cpu.uc, REG_SP, &rsp);
	return uc->emu_start(m->cpu.uc, GDT_ADDRESS + BOOT_STUB, 0, 0, 0);
}

static const int base_ids[NR_BASES] = { REG_FS_BASE, REG_GS_BASE };

kulong cpu_segment_base(struct vmemu *m, int reg)
{
	kulong base = 0;

	m->cpu.state->uc.reg_read(
		m->cpu.uc, reg == REG_FS ? REG_FS_BASE : REG_GS_BASE, &base);
	return base;
}

void cpu_note_bases(struct vmemu *m, kulong *base)
{
	void *values[] = { &base[BASE_FS], &base[BASE_GS] };

	m->cpu.state->uc.reg_read_batch(m->cpu.uc, base_ids, values, NR_BASES);
}

void cpu_load_bases(struct vmemu *m, const kulong *base)
{
	void *values[] = { (void *)&base[BASE_FS], (void *)&base[BASE_GS] };

	m->cpu.state->uc.reg_write_batch(m->cpu.uc, base_ids, values, NR_BASES);
}

enum {
	SYSCALL_LENGTH = 2,
	REG_R11 = REG_R8 + 3,
};

/*
 * The instruction saves rip and rflags in rcx and r11, which Unicorn leaves to
 * the hook; rip is still at it.
 */
static void on_syscall(void *uc, void *user)
{
	static const int ids[] = { REG_AX, REG_IP, REG_EFLAGS };
	static const int left[] = { REG_AX, REG_CX, REG_R11 };
	struct vmemu *m = user;
	kulong number = 0, ip = 0, flags = 0, result;
	void *values[] = { &number, &ip, &flags };
	const uint32_t *answer = NULL;

	if (m->cpu.state->trap == TRAP_FORBIDDEN)
		return;
	if (m->cpu.syscalls_in_c) {
		m->cpu.state->uc.reg_read_batch(uc, ids, values, 3);
		answer = syscall_in_c(m, number);
	}
	if (!answer) {
		cpu_stop_engine(m, TRAP_SYSCALL);
		return;
	}
	result = *answer;
	ip += SYSCALL_LENGTH;
	values[0] = &result;
	m->cpu.state->uc.reg_write_batch(uc, left, values, 3);
}

int cpu_syscall_hook(struct vmemu *m)
{
	size_t hook;

	return m->cpu.state->uc.hook_add(m->cpu.uc, &hook, UC_HOOK_INSN,
					 on_syscall, m, 1, 0,
					 UC_X86_INS_SYSCALL);
}

void cpu_arguments(const struct cpu_regs *regs, kulong *args)
{
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

void cpu_after_syscall(struct vmemu *m)
{
	m->regs.cx = m->regs.ip;
	m->regs.r11 = m->regs.flags;
}

/* Without IA32 emulation the gate is the kernel's alone; here it ends the boot. */
bool cpu_calls_by(const struct vmemu *m, uint32_t vector)
{
	return vector == 0x80 && m->cpu.state->phase == CPU_BOOT;
}

enum {
	NR_getpid = 39,
	NR_getuid = 102,
	NR_getgid = 104,
	NR_geteuid = 107,
	NR_getegid = 108,
	NR_getppid = 110,
	NR_gettid = 186,
};

const uint32_t *syscall_answer(const struct vmemu *m, kulong number)
{
	switch (number) {
	case NR_getpid:
		return &m->ids.pid;
	case NR_gettid:
		return &m->ids.tid;
	case NR_getppid:
		return &m->ids.ppid;
	case NR_getuid:
		return &m->ids.uid;
	case NR_geteuid:
		return &m->ids.euid;
	case NR_getgid:
		return &m->ids.gid;
	case NR_getegid:
		return &m->ids.egid;
	default:
		return NULL;
	}
}
