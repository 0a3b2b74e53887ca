/* cpu/types.h - the CPU, its contexts and traps. */
#ifndef VMEMU_CPU_TYPES_H
#define VMEMU_CPU_TYPES_H

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
	uint32_t pid, tid, ppid, uid, euid, gid, egid;
	uint32_t uid16, euid16, gid16, egid16; /* as i386's old calls tell it */
};

enum { NR_SYSCALL_ARGS = 6 };

/* The system call with which the CPU stopped. */
struct cpu_call {
	kulong number;
	kulong args[NR_SYSCALL_ARGS]; /* as the registers say */
};

struct cpu {
	void *uc;
	uint32_t trap_vector;
	uint32_t aborted;       /* the engine gave up, see cpu/abort.c */
	uint32_t syscalls_in_c; /* the trivial ones need not go to Python */
	struct cpu_call call;
	struct cpu_state *state;
};

#endif
