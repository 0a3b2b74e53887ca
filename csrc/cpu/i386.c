/* cpu/i386.c - what is i386's own: its way into ring 3, its calls' numbers. */
#include "core/core.h"
#include "cpu/cpu.h"

/*
 * The engine starts without a GDT.  Ring 3 can only be entered by an instruction:
 * a stub in the GDT's page does iret to the int 0x80 behind it.
 */
int cpu_enter_ring3(struct vmemu *m, uint8_t *page)
{
	static const uint8_t stub[] = { 0xcf, 0xcd,
					0x80 }; /* iret; int $0x80 */
	const struct uc_functions *uc = &m->cpu.state->uc;
	uint64_t *gdt = (uint64_t *)page;
	uint32_t frame[] = { GDT_ADDRESS + BOOT_STUB + 1, USER_CS, FIXED_EFLAGS,
			     0, USER_DS };
	struct uc_x86_mmr gdtr = { .base = GDT_ADDRESS,
				   .limit = GDT_ENTRIES * 8 - 1 };
	uint32_t cr0 = 0x33;  /* PE MP ET NE */
	uint32_t cr4 = 0x600; /* OSFXSR OSXMMEXCPT */
	uint32_t ss = KERNEL_DS, cs = KERNEL_CS, esp = GDT_ADDRESS + BOOT_STACK;

	gdt[GDT_KERNEL_CS] = FLAT_CODE(0);
	gdt[GDT_KERNEL_DS] = FLAT_DATA(0);
	gdt[GDT_USER_CS] = FLAT_CODE(3);
	gdt[GDT_USER_DS] = FLAT_DATA(3);
	memcpy(page + BOOT_STUB, stub, sizeof(stub));
	memcpy(page + BOOT_STACK, frame, sizeof(frame));
	uc->reg_write(m->cpu.uc, REG_GDTR, &gdtr);
	uc->reg_write(m->cpu.uc, REG_CR0, &cr0);
	uc->reg_write(m->cpu.uc, REG_CR4, &cr4);
	uc->reg_write(m->cpu.uc, REG_SS, &ss);
	uc->reg_write(m->cpu.uc, REG_CS, &cs);
	uc->reg_write(m->cpu.uc, REG_SP, &esp);
	return uc->emu_start(m->cpu.uc, GDT_ADDRESS + BOOT_STUB, 0, 0, 0);
}

kulong cpu_segment_base(struct vmemu *m, int reg)
{
	uint32_t selector = 0;

	m->cpu.state->uc.reg_read(m->cpu.uc, reg, &selector);
	return cpu_descriptor_base(m, selector);
}

void cpu_note_bases(struct vmemu *m, kulong *base)
{
	(void)m;
	base[BASE_FS] = base[BASE_GS] = 0;
}

void cpu_load_bases(struct vmemu *m, const kulong *base)
{
	(void)m, (void)base;
}

/* The syscall instruction is AMD's of 32-bit code: Intel's has #UD there. */
static void on_syscall(void *uc, void *user)
{
	(void)uc;
	cpu_forbidden(user, 6);
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
	args[0] = regs->bx;
	args[1] = regs->cx;
	args[2] = regs->dx;
	args[3] = regs->si;
	args[4] = regs->di;
	args[5] = regs->bp;
}

void cpu_after_syscall(struct vmemu *m)
{
	(void)m;
}

bool cpu_calls_by(const struct vmemu *m, uint32_t vector)
{
	(void)m;
	return vector == 0x80;
}

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
		return &m->ids.uid16;
	case NR_geteuid:
		return &m->ids.euid16;
	case NR_getgid:
		return &m->ids.gid16;
	case NR_getegid:
		return &m->ids.egid16;
	case NR_getuid32:
		return &m->ids.uid;
	case NR_geteuid32:
		return &m->ids.euid;
	case NR_getgid32:
		return &m->ids.gid;
	case NR_getegid32:
		return &m->ids.egid;
	default:
		return NULL;
	}
}
