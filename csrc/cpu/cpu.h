/* cpu/cpu.h - the CPU's private state; only cpu*.c include it. */
#ifndef VMEMU_CPU_H
#define VMEMU_CPU_H
#include "base/base.h"

/* Unicorn's numbers (2.1); its own headers are not needed to build. */
enum {
	UC_ARCH_X86 = 4,
	UC_MODE_32 = 4,
	UC_PROT_READ = 1,
	UC_PROT_WRITE = 2,
	UC_PROT_EXEC = 4,
	UC_PROT_ALL = 7,
	UC_MEM_READ = 16,
	UC_MEM_WRITE = 17,
	UC_MEM_FETCH = 18,
	UC_HOOK_INTR = 1 << 0,
	UC_HOOK_INSN = 1 << 1,
	UC_HOOK_BLOCK = 1 << 3,
	UC_HOOK_TLB_FILL = 1 << 17,
	UC_ERR_OK = 0,
	UC_ERR_INSN_INVALID = 10,
	UC_TLB_VIRTUAL = 1,
	UC_CPU_X86_SANDYBRIDGE = 17,
	UC_X86_INS_IN = 218,
	UC_X86_INS_OUT = 500,
	UC_X86_INS_RDTSC = 608,
	UC_X86_INS_RDTSCP = 609,
	UC_X86_INS_SYSCALL = 699,
	UC_X86_INS_SYSENTER = 700,
};

/* Private to cpu/run.c; cpu_run() makes a TRAP_EXCEPTION of it. */
#define TRAP_FORBIDDEN ((enum cpu_trap)(TRAP_STOP + 1))

enum {
	REG_CS = 11,
	REG_DS = 17,
	REG_EAX = 19,
	REG_EBP = 20,
	REG_EBX = 21,
	REG_ECX = 22,
	REG_EDI = 23,
	REG_EDX = 24,
	REG_EFLAGS = 25,
	REG_EIP = 26,
	REG_ES = 28,
	REG_ESI = 29,
	REG_ESP = 30,
	REG_FPSW = 31,
	REG_FS = 32,
	REG_GS = 33,
	REG_SS = 49,
	REG_CR0 = 50,
	REG_CR4 = 54,
	REG_FP0 = 82,
	REG_XMM0 = 122,
	REG_GDTR = 243,
	REG_FPCW = 246,
	REG_FPTAG = 247,
	REG_MXCSR = 249,
	REG_FIP = 254,
	REG_FCS,
	REG_FDP,
	REG_FDS,
	REG_FOP,
};

/* uc_ctl() requests; UC_CTL_WRITE(request, number of arguments) */
#define UC_CTL_WRITE(request, nr) ((request) | (nr) << 26 | 1 << 30)
enum {
	CTL_USE_EXITS = UC_CTL_WRITE(4, 1),
	CTL_EXITS = UC_CTL_WRITE(6, 2),
	CTL_CPU_MODEL = UC_CTL_WRITE(7, 1),
	CTL_REMOVE_CACHE = UC_CTL_WRITE(9, 2),
	CTL_TB_FLUSH = UC_CTL_WRITE(10, 0),
	CTL_TLB_FLUSH = UC_CTL_WRITE(11, 0),
	CTL_TLB_TYPE = UC_CTL_WRITE(12, 1),
};

struct uc_tlb_entry {
	uint64_t paddr;
	uint32_t perms;
};

struct uc_x86_mmr {
	uint16_t selector;
	uint64_t base;
	uint32_t limit;
	uint32_t flags;
};

/* The library's functions, in the order in which Python hands them over. */
#define UC_FUNCTIONS(X)                                                        \
	X(open, int arch, int mode, void **uc)                                 \
	X(close, void *uc)                                                     \
	X(ctl, void *uc, int request, ...)                                     \
	X(emu_start, void *uc, uint64_t begin, uint64_t until,                 \
	  uint64_t timeout, size_t count)                                      \
	X(emu_stop, void *uc)                                                  \
	X(mem_map_ptr, void *uc, uint64_t address, uint64_t size,              \
	  uint32_t perms, void *ptr)                                           \
	X(hook_add, void *uc, size_t *hook, int type, void *callback,          \
	  void *user, uint64_t begin, uint64_t end, ...)                       \
	X(hook_del, void *uc, size_t hook)                                     \
	X(reg_read, void *uc, int reg, void *value)                            \
	X(reg_write, void *uc, int reg, const void *value)                     \
	X(reg_read_batch, void *uc, const int *regs, void *const *values,      \
	  int n)                                                               \
	X(reg_write_batch, void *uc, const int *regs, void *const *values,     \
	  int n)                                                               \
	X(context_alloc, void *uc, void **context)                             \
	X(context_free, void *context)                                         \
	X(context_save, void *uc, void *context)                               \
	X(context_restore, void *uc, void *context)

#define UC_MEMBER(name, ...) int (*name)(__VA_ARGS__);
struct uc_functions {
	UC_FUNCTIONS(UC_MEMBER)
};
#undef UC_MEMBER

/* The GDT, as on i386: selectors are index * 8 + 3. */
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
#define GDT_ADDRESS (PAGE_OFFSET + GDT_PFN * PAGE_SIZE)

#define NR_REGS (sizeof(struct cpu_regs) / sizeof(uint32_t))
extern const int cpu_reg_ids[NR_REGS]; /* in the order of struct cpu_regs */

#define NR_ADDRESS_REGS (offsetof(struct cpu_regs, eflags) / sizeof(uint32_t))
#define NR_GENERAL_REGS (offsetof(struct cpu_regs, cs) / sizeof(uint32_t))

/* The FXSAVE image, as far as it is used. */
struct cpu_fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved; /* one bit a register, set = in use */
	uint16_t fop;
	uint32_t fip;
	uint16_t fcs, reserved2;
	uint32_t fdp;
	uint16_t fds, reserved3;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16]; /* from the top of the stack */
	uint8_t xmm[8][16];
	uint8_t reserved4[224];
};

/* One task's CPU while another task runs. */
struct cpu_context {
	void *saved; /* uc_context */
	struct cpu_regs regs;
	uint64_t tls[GDT_ENTRY_TLS_ENTRIES]; /* descriptors */
};

enum { TLB_PATIENCE = 16384, TLB_PATIENCE_MAX = 1 << 20 };

/* Who may be let through the TLB-fill hook besides the guest. */
enum cpu_phase {
	CPU_IDLE,  /* no guest code runs */
	CPU_BOOT,  /* ring 0: the stub in the GDT page */
	CPU_GUEST, /* inside uc_emu_start() */
	CPU_DROP,  /* cached blocks are removed through the kernel window */
};

struct cpu_exits;

/* What cpu_at_exit() found. */
enum cpu_exit {
	EXIT_NONE,    /* the engine stopped for another reason */
	EXIT_PASSED,  /* it goes on from here */
	EXIT_REFUSED, /* an instruction that is not to be executed: #UD */
};

struct cpu_state {
	struct uc_functions uc;
	void *boot_context;        /* ring 3, flat segments, nothing executed */
	struct cpu_regs boot_regs; /* the registers in it */
	struct cpu_regs engine;    /* the registers the engine holds */
	struct cpu_context *current;
	enum cpu_phase phase;
	enum cpu_trap trap;     /* why the engine was stopped */
	volatile uint32_t stop; /* cpu_request_stop() */
	uint32_t slice;         /* blocks; 0 = no preemption */
	uint64_t blocks_left;
	struct cpu_exits *exits;
	bool exits_full;   /* cpu_forget_exits() is due */
	bool exits_untold; /* cpu_tell_exits() is due */
	struct page
		*rewritten;   /* a store to fetched code waits for its blocks */
	size_t hook_block;    /* 0 = not installed */
	uint32_t tlb_misses;  /* since the TLB was last flushed */
	uint32_t tlb_grow_at; /* it is made to grow at so many */
	void *values[NR_REGS]; /* into m->regs */
};

/* cpu/tlb.c */
bool cpu_tlb_fill(void *uc, uint64_t address, int type,
		  struct uc_tlb_entry *entry, void *user);
void cpu_flush_tlb(struct vmemu *);
void cpu_exact_fault(struct vmemu *);
void cpu_remove_blocks(struct vmemu *, const struct page *);
int cpu_user_byte(struct vmemu *, kulong address); /* -1 = not mapped */

/* cpu/insn.c: from the noted registers; may turn a read into a write */
uint32_t cpu_fault_address(struct vmemu *, uint32_t page, uint32_t *access);
/* Does the instruction read a descriptor in this page, and not an operand? */
bool cpu_reads_descriptor(struct vmemu *, uint32_t page);

/* cpu/exits.c */
bool cpu_exits_init(struct vmemu *); /* false: no memory */
void cpu_exits_free(struct vmemu *);
/* Code of this frame is fetched at an address; false: no room, forget first. */
bool cpu_look_at_code(struct vmemu *, kulong address, struct page *);
/* It has been, and is written now; the same. */
bool cpu_code_may_change(struct vmemu *, kulong address, struct page *);
void cpu_forget_exits(struct vmemu *);
/* The engine's error; sets cpu_aborted if it gave up. */
int cpu_start_engine(struct vmemu *, uint32_t eip);
void cpu_tell_exits(struct vmemu *);
/* Nobody fetches from this absent page: the engine looks at its exits. */
bool cpu_exit_absent(struct vmemu *, kulong page);
enum cpu_exit cpu_stopped(struct vmemu *, int err);

/* cpu/state.c */
void cpu_store_regs(struct vmemu *);    /* engine -> m->regs */
uint32_t cpu_note_regs(struct vmemu *); /* general ones; returns eip */
uint32_t cpu_segment_base(struct vmemu *, int reg);
void cpu_load_regs(struct vmemu *); /* m->regs -> engine */
void cpu_forget_exception(struct vmemu *);

/* cpu/run.c */
void cpu_new_slice(struct vmemu *);
int cpu_hooks(struct vmemu *);

/* cpu/syscall.c */
const uint32_t *syscall_in_c(struct vmemu *, uint32_t number);

#endif
