/* cpu/cpu.h - the CPU's private state; only cpu*.c include it. */
#ifndef VMEMU_CPU_H
#define VMEMU_CPU_H
#include "base/base.h"
#include "cpu/api.h"

/* Unicorn's numbers (2.1); its own headers are not needed to build. */
enum {
	UC_ARCH_X86 = 4,
	UC_MODE_32 = 4,
	UC_MODE_64 = 8,
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
	REG_EFLAGS = 25,
	REG_ES = 28,
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
_Static_assert(sizeof(struct uc_functions) == NR_UC_FUNCTIONS * sizeof(void *),
	       "api.h says how many");

enum { LONG_MODE = BITS_PER_LONG == 64 };
enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* In 64-bit code; it counts only behind all other prefixes. */
static inline bool is_rex(uint8_t byte)
{
	return LONG_MODE && (byte & 0xf0) == 0x40;
}

#if VMEMU_BITS == 64
#include "cpu/x86_64.h"
#else
#include "cpu/i386.h"
#endif
#define GDT_ADDRESS (CPU_WINDOW + GDT_PFN * PAGE_SIZE)
enum { BOOT_STUB = 0x800, BOOT_STACK = 0xf00 }; /* in the GDT's page */

/*
 *  63    56 55   52 51   48 47      40 39            16 15         0
 * | base 31-24 | G D 0 AVL | limit 19-16 | P DPL S type | base 23-0 | limit 15-0 |
 */
#define FLAT_CODE(dpl) (0x00cf9b000000ffffull | (uint64_t)(dpl) << 45)
#define LONG_CODE(dpl) (0x00af9b000000ffffull | (uint64_t)(dpl) << 45)
#define FLAT_DATA(dpl) (0x00cf93000000ffffull | (uint64_t)(dpl) << 45)
#define DESC_ACCESSED (1ull << 40)
#define DESC_TYPE_CODE (1ull << 43)
#define DESC_READABLE (1ull << 41)
#define DESC_SEGMENT (1ull << 44)
#define DESC_DPL_3 (3ull << 45)
#define DESC_PRESENT (1ull << 47)
#define FIXED_EFLAGS 0x00000202u /* IF and the bit that is always set */

#define NR_REGS (sizeof(struct cpu_regs) / sizeof(kulong))
extern const int cpu_reg_ids[NR_REGS]; /* in the order of struct cpu_regs */

#define NR_ADDRESS_REGS (offsetof(struct cpu_regs, flags) / sizeof(kulong))
#define NR_GENERAL_REGS (offsetof(struct cpu_regs, cs) / sizeof(kulong))

/* The FXSAVE image, as far as it is used. */
struct cpu_fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved; /* one bit a register, set = in use */
	uint16_t fop;
	uint64_t fip, fdp; /* i386: 32 bits, and the selector above */
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];   /* from the top of the stack */
	uint8_t xmm[16][16]; /* i386: 8 */
	uint8_t reserved2[96];
};

/* One task's CPU while another task runs. */
struct cpu_context {
	void *saved; /* uc_context */
	struct cpu_regs regs;
	uint64_t tls[GDT_ENTRY_TLS_ENTRIES]; /* descriptors */
	kulong base[NR_BASES];
	bool bases_set; /* since it was saved */
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
	kulong base[NR_BASES];     /* for the engine, if */
	bool bases_set;
	struct cpu_context *current;
	enum cpu_phase phase;
	enum cpu_trap trap;     /* why the engine was stopped */
	volatile uint32_t stop; /* cpu_request_stop() */
	uint32_t slice;         /* blocks; 0 = no preemption */
	uint64_t blocks_left;   /* of the slice, or of the hook without one */
	struct cpu_exits *exits;
	bool exits_full;   /* cpu_forget_exits() is due */
	bool exits_untold; /* cpu_tell_exits() is due */
	bool exits_off;    /* the engine does not look at them */
	struct page
		*rewritten;   /* a store to fetched code waits for its blocks */
	size_t hook_block;    /* 0 = not installed; may outlast slices */
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
/* It and those behind it in its page; NULL = not mapped. */
const uint8_t *cpu_user_bytes(struct vmemu *, kulong address);

/* cpu/insn.c: from the noted registers; may turn a read into a write */
kulong cpu_fault_address(struct vmemu *, kulong page, uint32_t *access);
/* Does the instruction, whose ip is noted, write nothing that it has read? */
bool cpu_only_reads(struct vmemu *);
/* Is it by sp or bp that the instruction touches the page? */
bool cpu_touches_stack(struct vmemu *, kulong page, uint32_t access);
/* Does the instruction read a descriptor in this page, and not an operand? */
bool cpu_reads_descriptor(struct vmemu *, kulong page);

/* cpu/engine.c: an engine, ready-made if there is one; 0 or a uc_err. */
int cpu_engine(const struct uc_functions *, void **engine);

/* cpu/exits.c */
bool cpu_exits_init(struct vmemu *); /* false: no memory */
void cpu_exits_free(struct vmemu *);
/* Code of this frame is fetched at an address; false: no room, forget first. */
bool cpu_look_at_code(struct vmemu *, kulong address, struct page *);
/* It has been, and is written now; the same. */
bool cpu_code_may_change(struct vmemu *, kulong address, struct page *);
void cpu_forget_exits(struct vmemu *);
/* The engine's error; sets cpu_aborted if it gave up. */
int cpu_start_engine(struct vmemu *, kulong ip);
void cpu_tell_exits(struct vmemu *);
/* It is about to be stopped by a hook, or to be started. */
void cpu_exits_off(struct vmemu *);
void cpu_exits_on(struct vmemu *);
/* Nobody fetches from this absent page: the engine looks at its exits. */
bool cpu_exit_absent(struct vmemu *, kulong page);
enum cpu_exit cpu_stopped(struct vmemu *, int err);

/* cpu/state.c */
void cpu_store_regs(struct vmemu *);  /* engine -> m->regs */
kulong cpu_note_regs(struct vmemu *); /* general ones; returns ip */
kulong cpu_note_ip(struct vmemu *);   /* alone */
uint32_t cpu_descriptor_base(struct vmemu *, kulong selector);
void cpu_load_regs(struct vmemu *); /* m->regs -> engine */
void cpu_forget_exception(struct vmemu *);

/* cpu/i386.c, cpu/x86_64.c */
/* Into ring 3, by a stub in the page; 0 or a uc_err. */
int cpu_enter_ring3(struct vmemu *, uint8_t *page);
kulong cpu_segment_base(struct vmemu *, int reg); /* REG_FS, REG_GS */
void cpu_note_bases(struct vmemu *, kulong *base);
void cpu_load_bases(struct vmemu *, const kulong *base);
int cpu_syscall_hook(struct vmemu *);
bool cpu_calls_by(const struct vmemu *, uint32_t vector);
void cpu_arguments(const struct cpu_regs *, kulong *args);
/* What the instruction leaves behind besides the result. */
void cpu_after_syscall(struct vmemu *);

/* cpu/run.c */
void cpu_stop_engine(struct vmemu *, enum cpu_trap);
void cpu_forbidden(struct vmemu *, uint32_t vector);
void cpu_new_slice(struct vmemu *);
int cpu_hooks(struct vmemu *);

/* cpu/syscall.c */
const uint32_t *syscall_in_c(struct vmemu *, kulong number);
const uint32_t *syscall_answer(const struct vmemu *, kulong number);

#endif
