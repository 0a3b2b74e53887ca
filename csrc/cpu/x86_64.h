/* cpu/x86_64.h - the engine in long mode: registers, segments. */
#ifndef VMEMU_CPU_X86_64_H
#define VMEMU_CPU_X86_64_H

enum {
	ENGINE_MODE = UC_MODE_64,
	REG_AX = 35,
	REG_BP = 36,
	REG_BX = 37,
	REG_CX = 38,
	REG_DI = 39,
	REG_DX = 40,
	REG_IP = 41,
	REG_SI = 43,
	REG_SP = 44,
	REG_R8 = 106,
	REG_FS_BASE = 250,
	REG_GS_BASE = 251,
	NR_XMM = 16,
};
#define REG_IDS                                                                \
	REG_AX, REG_CX, REG_DX, REG_BX, REG_SP, REG_BP, REG_SI, REG_DI,        \
		REG_R8, REG_R8 + 1, REG_R8 + 2, REG_R8 + 3, REG_R8 + 4,        \
		REG_R8 + 5, REG_R8 + 6, REG_R8 + 7, REG_IP, REG_EFLAGS,        \
		REG_CS, REG_SS, REG_DS, REG_ES, REG_FS, REG_GS

/* As in 2.6.7; there are no descriptors of a task's own here. */
enum {
	GDT_ENTRY_TLS_MIN = 11,
	GDT_ENTRY_TLS_ENTRIES = 2,
	GDT_KERNEL_CS = 2,
	GDT_KERNEL_DS = 3,
	GDT_USER32_CS = 4,
	GDT_USER_DS = 5,
	GDT_USER_CS = 6,
	GDT_ENTRIES = 16,
};
#define KERNEL_CS (GDT_KERNEL_CS * 8)
#define KERNEL_DS (GDT_KERNEL_DS * 8)
#define USER_CS (GDT_USER_CS * 8 + 3)
#define USER_DS (GDT_USER_DS * 8 + 3)
/* Where the CPU sees RAM while the kernel makes it look: behind the hole, where
 * no user address can be, with four levels either. */
#define CPU_WINDOW ((kulong)0xffff810000000000)

#endif
