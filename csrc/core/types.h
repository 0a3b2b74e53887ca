/* core/types.h - the machine: what is counted, what happened, and all its parts. */
#ifndef VMEMU_CORE_TYPES_H
#define VMEMU_CORE_TYPES_H

/* What takes virtual time, in nanoseconds; the rest takes none. */
enum virtual_time {
	SYSCALL_NS = 1000,
	FAULT_NS = 1000,     /* a fault, an exception */
	COPY_NS = 1000,      /* a page copied */
	CLEAR_NS = 500,      /* a page cleared for a first write */
	SCAN_NS = 500,       /* a page looked at by reclaim */
	PAGE_IO_NS = 100000, /* a page read or written */
	RDTSC_NS = 20,       /* reading the time stamp counter */
};

struct kernel_data { /* the kernel's static data, one guest frame */
	uint32_t swap_lock;
	struct zone zone;
	struct kmem_cache caches[NR_CACHES];
	struct address_space swapper_space;
	struct list_head mmlist;         /* of every mm_struct */
	struct list_head shmem_swaplist; /* of address_space.private_list */
	struct list_head
		quarantine; /* freed frames whose blocks are not dropped yet */
	struct rmap_data rmap;
};

/* ---- counters and events ---------------------------------------------- */

/* clang-format off */
#define VMEMU_COUNTERS(X)                                                      \
	X(pgfault) X(pgmajfault) X(fault_c) X(fault_python) \
	X(pgcow) X(pgzero) X(pgalloc) X(pgfree)                                \
	X(pswpin) X(pswpout) X(swapin) X(pgpgin) X(pgpgout) X(file_ra) X(swap_ra) X(swap_ra_hit) \
	X(swap_cache_hit)                                                      \
	X(shmem_alloc) X(shmem_swapout) X(shmem_swapin)                            \
	X(pgactivate) X(pgdeactivate) X(pgscan) X(pgsteal) X(pgrefill)         \
	X(kswapd_run) X(allocstall) X(oom_kill)                                \
	X(unmap_probes) X(unmap_cmp) X(unmap_pages)                            \
	X(referenced_probes) X(referenced_cmp) X(referenced_pages)             \
	X(file_unmap_probes) X(file_unmap_cmp) X(file_unmap_pages)             \
	X(file_referenced_probes) X(file_referenced_cmp) X(file_referenced_pages) \
	X(i_mmap_nodes)                                                        \
	X(nonlinear_clusters) X(nonlinear_ptes) X(nonlinear_unmapped)          \
	X(nonlinear_collateral)                                                \
	X(sweep_ptes) X(sweep_mms) X(sweep_unmapped) X(sweep_collateral)       \
	X(rmap_copies) X(rmap_migrated) X(rmap_wasted) X(rmap_index_rewrites)                 \
	X(rmap_repointed)                                                                      \
	X(rmap_chain_slots)                                                    \
	X(rmap_tree_nodes)                                                     \
	X(mremap_ptes) X(fork_ptes) X(zap_ptes) X(protect_ptes) X(vm_flags_writes) \
	X(pgtable_alloc) X(pgtable_free)                                       \
	X(tlb_fill) X(tlb_flush) X(tlb_grow) X(code_drop) X(fault_hook) X(fault_outside)   \
	X(syscalls) X(syscall_c) X(context_switch) X(signals) X(enosys)
/* clang-format on */

#define VMEMU_ENUM(name) CNT_##name,
enum counter_id { VMEMU_COUNTERS(VMEMU_ENUM) NR_COUNTERS };
#undef VMEMU_ENUM

enum event_type {
	EV_none,
	EV_fault,    /* a = address, b = access, c = fault_result, d = eip */
	EV_zero,     /* a = address, b = 0 or the zero page, c = pfn */
	EV_cow,      /* a = address, b = old pfn, c = new pfn */
	EV_swapin,   /* a = address, b = swap entry, c = pfn */
	EV_swapread, /* a = pfn, b = swap entry, c = 1: ahead */
	EV_swapout,  /* a = pfn, b = swap entry */
	EV_unmap,    /* a = pfn, b = probes, c = enum swap_result */
	EV_reclaim,  /* a = priority, b = scanned, c = freed */
	EV_syscall,  /* a = number, b = result, c = first argument */
	EV_switch,   /* a = pid */
	EV_fork,     /* a = child pid */
	EV_exec,     /* a = pid */
	EV_exit,     /* a = pid, b = wait status */
	EV_signal,   /* a = signal, b = si_code, c = address */
	EV_mmap,     /* a = start, b = end, c = vm_flags */
	EV_munmap,   /* a = start, b = end */
	EV_mremap,   /* a = old, b = new, c = new length */
	EV_mprotect, /* a = start, b = end, c = vm_flags */
	EV_mark,     /* a = mark, b = argument, c = argument */
	EV_oom,      /* a = pid killed, b = badness */
	NR_EVENTS
};

struct event {
	uint64_t seq;
	uint64_t time; /* virtual nanoseconds */
	uint32_t pid;
	uint32_t type; /* enum event_type */
	uint64_t a, b, c, d;
};

struct clock {
	uint64_t now;        /* virtual nanoseconds */
	uint64_t stime;      /* of these, what faults and reclaim worked */
	uint64_t iowait;     /* and what was waited for pages read or written */
	uint64_t limit;      /* somebody wants the CPU at this time */
	uint64_t next_timer; /* or at least to know that it has come */
};

/* How memory stood at one time, in pages; faults to so are counted from boot. */
struct sample {
	uint64_t time; /* virtual nanoseconds */
	uint64_t free, active, inactive;
	uint64_t swapped; /* in swap */
	uint64_t faults, major;
	uint64_t si, so; /* read from swap, written there */
};

struct sampling {
	struct sample *samples; /* Python's; NULL: none are taken */
	uint32_t used, room;
	uint64_t step; /* virtual nanoseconds from one to the next, at least */
	uint64_t due;  /* the time of the next */
};

struct trace {
	struct event *ring;
	uint32_t size;                /* a power of two; 0 = events off */
	uint64_t head;                /* events ever written */
	uint64_t happened[NR_EVENTS]; /* with or without a ring */
	uint32_t told;                /* by type, those to write down */
	uint32_t stop_at;             /* by type, those to stop at */
	struct event stopped;         /* the one it was; type 0 = none yet */
	struct sampling sampling;
};

struct vmemu {
	/* what it is made of */
	uint8_t *ram;
	uintptr_t kernel_base; /* a kptr's host address, less the kptr */
	uint64_t ram_size;     /* bytes */
	uint32_t ram_closed;
	uint32_t nr_frames;
	int top_level;        /* of a page directory; levels less 1 */
	kulong task_size;     /* addresses from here on are not the user's */
	kulong unmapped_base; /* where mmap begins to look */
	struct page *mem_map;
	struct kernel_data *k;
	const struct i_mmap_ops *i_mmap;
	kptr i_mmap_node; /* where in an area its part is: bytes */
	const struct rmap_ops *rmap;
	struct rmap_ops *rmap_plugged;          /* the same, if it is its own */
	uint32_t rmap_option[MAX_RMAP_OPTIONS]; /* which choice, by scheme */
	uint64_t rmap_owners;   /* where in RAM rmap/stop.c keeps them */
	uint32_t rmap_each_pte; /* the scheme is told of every pte */
	uint32_t rmap_files; /* and keeps those of files' pages, see rmap_ops */
	struct kernel_layout layout;
	void *handle; /* ffi handle of the Python side */

	/* what can be set, and what it bounds */
	uint32_t page_cluster;      /* log2 of swap readahead, pages */
	uint32_t overcommit_memory; /* enum overcommit */
	uint32_t overcommit_ratio;  /* percent of RAM */
	int64_t vm_committed;       /* pages promised */

	/* the running task */
	uint32_t pid; /* for events */
	struct mm_struct *current_mm;
	struct task_ids ids;
	struct cpu_regs regs;

	/* what happens */
	uint64_t counter[NR_COUNTERS];
	struct clock clock;
	struct trace trace;

	/* the subsystems' */
	struct page_state pages;
	struct tlb_state tlb;
	struct fault_state fault;
	struct swap_state swap;
	struct inode *inodes; /* NR_FILES of them */
	uint32_t most_inodes; /* behind them none was ever used */
	struct shmem_sb shmem_sb[NR_SHMEM_SB];
	struct candidate candidate; /* the one that Python answers */
	struct lock_state locks;
	struct watch_state watch;
	struct check_state check;
	struct cpu cpu;
	const struct cpu_ops *cpu_ops; /* NULL: there is memory alone */

	char bug[512];    /* first inconsistency found by the core, or "" */
	uint32_t trouble; /* that, a swap file's error, or the CPU's end */
};

#endif
