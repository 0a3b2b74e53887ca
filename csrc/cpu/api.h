/* cpu/api.h - what cpu/ does, for Python and for others. */
#ifndef VMEMU_CPU_API_H
#define VMEMU_CPU_API_H
#include "structs.h"

/* cpu/run.c, cpu/state.c, cpu/tlb.c */
struct cpu_context; /* one task's registers, segments, FPU and TLS entries */
enum { NR_UC_FUNCTIONS = 16 };
/* Unicorn's functions from its library; NULL, or what is wrong. */
const char *cpu_load(const char *path, void **functions);
int cpu_init(struct vmemu *, void *const *functions); /* 0 or a uc_err */
void cpu_exit(struct vmemu *);
/* cpu/engine.c: makes the engine of the next cpu_init() now; 0 or a uc_err. */
int cpu_spare(void *const *functions);
int cpu_run(struct vmemu *); /* enum cpu_trap; m->regs hold the registers */
/*
 * The same, to the next system call: its number, or NO_SYSCALL where that has more
 * than 31 bits.  It is counted and its time has passed; m->cpu.call has it all.
 * After another trap, or if something went wrong below: -trap.
 */
enum { NO_SYSCALL = 0x7fffffff };
int cpu_run_to_call(struct vmemu *);
/* The call ends; 1 if somebody wants to be told, which is left to be done. */
int cpu_call_ends(struct vmemu *, kulong result);
void cpu_request_stop(struct vmemu *); /* from any thread */
/* While on, an engine that gives up does not end the process; calls nest. */
void cpu_guard(int on);
/* It has not come through yet: ask again, or it may be lost where a run begins. */
int cpu_stop_pending(struct vmemu *);
void cpu_set_preempt(struct vmemu *, uint32_t blocks); /* a slice; 0 = none */
enum { HOOK_BLOCKS = 20000000 }; /* run without slices before the hook goes */
int cpu_counts_blocks(struct vmemu *);               /* the hook is there */
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
