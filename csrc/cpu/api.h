/* cpu/api.h - the CPU, its contexts and traps. */
#ifndef VMEMU_CPU_API_H
#define VMEMU_CPU_API_H

enum cpu_trap {
	TRAP_NONE,
	TRAP_SYSCALL, /* int 0x80, or syscall; ip is behind it */
	TRAP_FAULT,   /* see struct fault_state */
	TRAP_EXCEPTION, /* trap_vector; ip at the instruction (behind it for int3, into) */
	TRAP_PREEMPT, /* time slice used up */
	TRAP_STOP,    /* cpu_request_stop() */
};

/* What memory asks of the CPU. */
struct cpu_ops {
	/* The fault being resolved, so far by its page. */
	void (*exact_fault)(struct vmemu *);
	/* Translated code of this frame goes; not inside the hook. */
	void (*remove_blocks)(struct vmemu *, const struct page *);
};

/* What the calls that only read it return; kept by Python. */
struct task_ids {
	uint32_t pid, ppid, uid, gid;
};

struct cpu {
	void *uc;
	uint32_t trap_vector;
	uint32_t aborted;       /* the engine gave up, see cpu/abort.c */
	uint32_t syscalls_in_c; /* the trivial ones need not go to Python */
	struct cpu_state *state;
};

/* cpu/run.c, cpu/state.c, cpu/tlb.c */
struct cpu_context; /* one task's registers, segments, FPU and TLS entries */
enum { NR_UC_FUNCTIONS = 16 };
/* Unicorn's functions from its library; NULL, or what is wrong. */
const char *cpu_load(const char *path, void **functions);
int cpu_init(struct vmemu *, void *const *functions); /* 0 or a uc_err */
void cpu_exit(struct vmemu *);
int cpu_run(struct vmemu *); /* enum cpu_trap; m->regs hold the registers */
void cpu_request_stop(struct vmemu *); /* from any thread */
/* While on, an engine that gives up does not end the process; calls nest. */
void cpu_guard(int on);
/* It has not come through yet: ask again, or it may be lost where a run begins. */
int cpu_stop_pending(struct vmemu *);
void cpu_set_preempt(struct vmemu *, uint32_t blocks); /* a slice; 0 = none */
struct cpu_context *cpu_context_new(struct vmemu *); /* NULL: no host memory */
struct cpu_context *cpu_context_clone(struct vmemu *, struct cpu_context *);
void cpu_context_free(struct vmemu *, struct cpu_context *);
void cpu_context_reset(struct vmemu *, struct cpu_context *); /* as if new */
struct cpu_regs *cpu_context_regs(struct vmemu *, struct cpu_context *);
void cpu_switch(struct vmemu *, struct cpu_context *, struct mm_struct *);
void cpu_set_tls(struct vmemu *, struct cpu_context *, int entry,
		 uint64_t descriptor); /* entry 6..8 of the GDT */
uint64_t cpu_get_tls(struct vmemu *, struct cpu_context *, int entry);
/* Segment bases that no descriptor holds (x86-64): arch_prctl(). */
enum cpu_base { BASE_FS, BASE_GS, NR_BASES };
void cpu_set_base(struct vmemu *, struct cpu_context *, int base, kulong);
kulong cpu_get_base(struct vmemu *, int base); /* the running task's */
void cpu_fxsave(struct vmemu *, void *image);  /* 512 bytes, running task's */
void cpu_fxrstor(struct vmemu *, const void *image);

/* cpu/exits.c */
enum { CPU_INSN_BYTES = 24 }; /* what is looked at, whatever it is */
int cpu_insn_length(const uint8_t *code); /* 0 = not known */

#endif
