/* cpu/i386.h - the engine as an i386: registers, segments. */
#ifndef VMEMU_CPU_I386_H
#define VMEMU_CPU_I386_H

enum {
	ENGINE_MODE = UC_MODE_32,
	REG_AX = 19,
	REG_BP = 20,
	REG_BX = 21,
	REG_CX = 22,
	REG_DI = 23,
	REG_DX = 24,
	REG_IP = 26,
	REG_SI = 29,
	REG_SP = 30,
	NR_XMM = 8,
};
#define REG_IDS                                                                \
	REG_AX, REG_CX, REG_DX, REG_BX, REG_SP, REG_BP, REG_SI, REG_DI,        \
		REG_IP, REG_EFLAGS, REG_CS, REG_SS, REG_DS, REG_ES, REG_FS,    \
		REG_GS

/* Selectors are index * 8 + 3. */
enum {
	GDT_ENTRY_TLS_MIN = 6,
	GDT_ENTRY_TLS_ENTRIES = 3,
	GDT_KERNEL_CS = 12,
	GDT_KERNEL_DS = 13,
	GDT_USER_CS = 14,
	GDT_USER_DS = 15,
	GDT_ENTRIES = 32,
};
#define KERNEL_CS (GDT_KERNEL_CS * 8)
#define KERNEL_DS (GDT_KERNEL_DS * 8)
#define USER_CS (GDT_USER_CS * 8 + 3)
#define USER_DS (GDT_USER_DS * 8 + 3)
/* Where the CPU sees RAM while the kernel makes it look. */
#define CPU_WINDOW PAGE_OFFSET

#endif
