/* vmemu.h - the C core's only header: C API and, preprocessed with
 * VMEMU_CDEF defined, the cffi cdef.
 *
 * Everything the modelled kernel owns (page tables, struct page, vmas, mms,
 * rmap objects, slabs, zone lists) lives in guest RAM with i386 field order and
 * size.  A `kptr` is such an object's kernel virtual address (PAGE_OFFSET +
 * physical); functions take host pointers to the same objects.  Only struct
 * vmemu itself, which stands for the CPU and for the devices, is host memory.
 *
 * Sizes are those of Linux 2.6.6..2.6.7 built for i386 SMP without debugging.
 */
#ifndef VMEMU_H
#define VMEMU_H
#ifndef VMEMU_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

typedef uint32_t kptr;   /* kernel virtual address; 0 is NULL */
typedef uint32_t kulong; /* the guest kernel's unsigned long */
typedef uint32_t pte_t;
typedef uint32_t pgd_t;

enum vmemu_layout {
	PAGE_SHIFT = 12,
	PAGE_SIZE = 4096,
	PTRS_PER_PTE = 1024,
	PTRS_PER_PGD = 1024,
	PGDIR_SHIFT = 22,
	TASK_SIZE_PGDS = 768, /* pgd entries below PAGE_OFFSET */
	GDT_PFN = 1,
	SWAPPER_PG_DIR_PFN = 2,
	ZERO_PAGE_PFN = 3,
	KERNEL_DATA_PFN = 4,
	LOWMEM_MAX_MB = 896,
	TASK_UNMAPPED_BASE = 0x40000000, /* where mmap begins to look */
	SWAP_CLUSTER_MAX = 32,
	MAX_SWAPFILES = 32,
	SWAP_MAP_MAX = 0x7fff,
	SWAP_MAP_BAD = 0x8000,
	SWAPFILE_CLUSTER = 256,
	NR_FILES = 64, /* mapped host files */
};

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

/* i386 pte bits; drawn in mm/pgtable.c */
enum pte_bits {
	_PAGE_PRESENT = 0x001,
	_PAGE_RW = 0x002,
	_PAGE_USER = 0x004,
	_PAGE_ACCESSED = 0x020,
	_PAGE_DIRTY = 0x040,
	_PAGE_FILE = 0x040,
	_PAGE_PSE = 0x080,
	_PAGE_PROTNONE = 0x080,
};

enum vm_flag_bits {
	VM_READ = 0x00000001,
	VM_WRITE = 0x00000002,
	VM_EXEC = 0x00000004,
	VM_SHARED = 0x00000008,
	VM_MAYREAD = 0x00000010,
	VM_MAYWRITE = 0x00000020,
	VM_MAYEXEC = 0x00000040,
	VM_MAYSHARE = 0x00000080,
	VM_GROWSDOWN = 0x00000100,
	VM_EXECUTABLE = 0x00001000,
	VM_LOCKED = 0x00002000,
	VM_SEQ_READ = 0x00008000,
	VM_RAND_READ = 0x00010000,
	VM_DONTCOPY = 0x00020000,
	VM_DONTEXPAND = 0x00040000,
	VM_RESERVED = 0x00080000,
	VM_ACCOUNT = 0x00100000,
	VM_LOCK_RMAP = 0x01000000, /* of a mutation only */
};

enum page_flag_bits {
	PG_locked = 1 << 0,
	PG_referenced = 1 << 2,
	PG_uptodate = 1 << 3,
	PG_dirty = 1 << 4,
	PG_lru = 1 << 5,
	PG_active = 1 << 6,
	PG_slab = 1 << 7,
	PG_arch_1 = 1 << 10, /* code has been fetched from this frame */
	PG_reserved = 1 << 11,
	PG_reclaim = 1 << 17,
	PG_maplock = 1 << 18,
	PG_swapcache = 1 << 19,
	PG_anon = 1 << 20,
	PG_pgtable = 1 << 24, /* vmemu: a page directory or page table */
	PG_buddy = 1 << 25,   /* vmemu: on the free list */
	PG_vmalloc = 1 << 26, /* vmemu: holds a piece of a swap map */
	PG_exits = 1 << 27,   /* vmemu: code in which the engine has to stop */
	PG_rewritten = 1 << 28, /* vmemu: written after code was fetched */
};

struct list_head {
	kptr next, prev;
};

struct rb_node {
	kptr rb_parent;
	int32_t rb_color;
	kptr rb_right, rb_left;
};

struct page { /* 32 bytes */
	kulong flags;
	int32_t _count;    /* references; 0 = free */
	uint32_t mapcount; /* ptes that map it */
	kulong private;    /* swap entry while PG_swapcache */
	kptr mapping;      /* address_space, or the rmap object while PG_anon */
	kulong index;      /* pgoff; under anonmm the user address */
	struct list_head lru;
};

struct vm_area_struct { /* 72 bytes up to vm_private_data; 84 with anon_vma */
	kptr vm_mm;
	kulong vm_start, vm_end;
	kptr vm_next;
	kulong vm_page_prot;
	kulong vm_flags;
	struct rb_node vm_rb;
	struct { /* struct vm_set of the prio_tree; a plain list here */
		struct list_head list;
		kptr parent, head;
	} shared;
	kptr vm_ops;
	kulong vm_pgoff; /* pages */
	kptr vm_file;    /* address_space of the mapped file */
	kptr vm_private_data;
	/* fields of anon_vma only; absent from the slab object elsewhere */
	struct list_head anon_vma_node;
	kptr anon_vma;
};

struct anon_vma { /* 12 bytes */
	uint32_t lock;
	struct list_head head; /* of vm_area_struct.anon_vma_node */
};

struct anonmm { /* 24 bytes */
	int32_t count;
	uint32_t lock;
	kptr mm;
	kptr head;
	struct list_head list; /* the exec bundle, in fork order */
};

struct rw_semaphore {
	int32_t count;
	uint32_t wait_lock;
	struct list_head wait_list;
};

struct wait_queue_head {
	uint32_t lock;
	struct list_head task_list;
};

struct semaphore {
	int32_t count;
	int32_t sleepers;
	struct wait_queue_head wait;
};

struct completion {
	uint32_t done;
	struct wait_queue_head wait;
};

struct timer_list {
	struct list_head entry;
	kulong expires;
	uint32_t lock;
	kulong magic;
	kptr function;
	kulong data;
	kptr base;
};

struct work_struct {
	kulong pending;
	struct list_head entry;
	kptr func, data, wq_data;
	struct timer_list timer;
};

struct aio_ring_info {
	kulong mmap_base, mmap_size;
	kptr ring_pages;
	uint32_t ring_lock;
	int32_t nr_pages;
	uint32_t nr, tail;
	kptr internal_pages[8];
};

struct kioctx {
	int32_t users, dead;
	kptr mm;
	kulong user_id;
	kptr next;
	struct wait_queue_head wait;
	uint32_t ctx_lock;
	int32_t reqs_active;
	struct list_head active_reqs, run_list;
	uint32_t max_reqs;
	struct aio_ring_info ring_info;
	struct work_struct wq;
};

struct mm_context {
	int32_t size;
	struct semaphore sem;
	kptr ldt;
};

struct mm_struct { /* 524 bytes up to default_kioctx; 528 with anonmm */
	kptr mmap; /* first vma */
	kptr mm_rb;
	kptr mmap_cache;
	kulong free_area_cache;
	kptr pgd;
	int32_t mm_users, mm_count;
	int32_t map_count; /* vmas */
	struct rw_semaphore mmap_sem;
	uint32_t page_table_lock;
	struct list_head mmlist;
	kulong start_code, end_code, start_data, end_data;
	kulong start_brk, brk, start_stack;
	kulong arg_start, arg_end, env_start, env_end;
	kulong rss, total_vm, locked_vm; /* pages */
	kulong def_flags;
	kulong cpu_vm_mask;
	kulong saved_auxv[40];
	uint32_t dumpable;
	struct mm_context context;
	int32_t core_waiters;
	kptr core_startup_done;
	struct completion core_done;
	uint32_t ioctx_list_lock;
	kptr ioctx_list;
	struct kioctx default_kioctx;
	/* field of anonmm only; absent from the slab object elsewhere */
	kptr anonmm;
};

struct radix_tree_root {
	uint32_t height;
	int32_t gfp_mask;
	kptr rnode;
};

struct radix_tree_node { /* 276 bytes */
	uint32_t count;
	kptr slots[64];
	kulong tags[2][2];
};

struct address_space { /* 84 bytes */
	kptr host; /* 1 + index of the file in struct vmemu; 0 for swapper_space */
	struct radix_tree_root page_tree;
	uint32_t tree_lock;
	struct list_head i_mmap; /* of vm_area_struct.shared.list */
	uint32_t i_mmap_writable;
	struct list_head i_mmap_nonlinear;
	uint32_t i_mmap_lock;
	uint32_t truncate_count;
	kulong nrpages;
	kulong writeback_index;
	kptr a_ops;
	kulong flags;
	kptr backing_dev_info;
	uint32_t private_lock;
	struct list_head private_list;
	kptr assoc_mapping;
};

struct slab { /* 24 bytes, followed by one 4-byte bufctl per object */
	struct list_head list;
	kulong colouroff;
	kptr s_mem;
	uint32_t inuse;
	uint32_t free;
};

enum slab_cache_id {
	CACHE_vm_area_struct,
	CACHE_mm_struct,
	CACHE_anon_vma,
	CACHE_anonmm,
	CACHE_address_space,
	CACHE_radix_tree_node,
	CACHE_python_rmap, /* for a scheme written in Python */
	NR_CACHES
};

struct kmem_cache {
	uint32_t id;
	uint32_t objsize; /* bytes, as declared */
	uint32_t align;   /* bytes */
	uint32_t bufsize; /* bytes, aligned */
	uint32_t num;     /* objects a slab */
	uint32_t nr_slabs;
	uint32_t nr_active;
	struct list_head slabs_full, slabs_partial;
};

struct zone {
	uint32_t lru_lock;
	uint32_t free_pages;
	uint32_t pages_min, pages_low, pages_high;
	uint32_t present_pages;     /* frames not reserved at boot */
	struct list_head free_list; /* frames are taken from its end */
	struct list_head active_list, inactive_list;
	uint32_t nr_active, nr_inactive;
	uint32_t nr_scan_active, nr_scan_inactive;
	uint32_t pages_scanned;
	int32_t prev_priority;
};

struct kernel_data { /* the kernel's static data, one guest frame */
	uint32_t swap_lock;
	struct zone zone;
	struct kmem_cache caches[NR_CACHES];
	struct address_space swapper_space;
	struct list_head mmlist; /* of every mm_struct */
	struct list_head
		quarantine; /* freed frames whose blocks are not dropped yet */
};

/* ---- counters and events ---------------------------------------------- */

/* clang-format off */
#define VMEMU_COUNTERS(X)                                                      \
	X(pgfault) X(pgmajfault) X(fault_c) X(fault_python) \
	X(pgcow) X(pgzero) X(pgalloc) X(pgfree)                                \
	X(pswpin) X(pswpout) X(swapin) X(pgpgin) X(swap_ra) X(swap_ra_hit)     \
	X(pgactivate) X(pgdeactivate) X(pgscan) X(pgsteal) X(pgrefill)         \
	X(kswapd_run) X(allocstall) X(oom_kill)                                \
	X(unmap_probes) X(unmap_cmp) X(unmap_pages)                            \
	X(referenced_probes) X(referenced_cmp) X(referenced_pages)             \
	X(rmap_copies) X(rmap_migrated) X(rmap_index_rewrites)                 \
	X(mremap_ptes) X(fork_ptes) X(zap_ptes) X(protect_ptes) X(vm_flags_writes) \
	X(pgtable_alloc) X(pgtable_free)                                       \
	X(tlb_fill) X(tlb_flush) X(tlb_grow) X(code_drop) X(fault_hook) X(fault_outside)   \
	X(syscalls) X(syscall_c) X(context_switch) X(signals) X(enosys)
/* clang-format on */

#define VMEMU_ENUM(name) CNT_##name,
enum counter_id { VMEMU_COUNTERS(VMEMU_ENUM) NR_COUNTERS };
#undef VMEMU_ENUM

/* Which walk the rmap counters belong to. */
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
	uint32_t a, b, c, d;
};

/* ---- outcomes ---------------------------------------------------------- */

enum fault_access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };

enum fault_result {
	FAULT_MINOR,   /* resolved */
	FAULT_MAJOR,   /* resolved, with I/O */
	FAULT_OUTSIDE, /* ask again outside the TLB-fill hook */
	FAULT_MAPERR,  /* SIGSEGV, no mapping */
	FAULT_ACCERR,  /* SIGSEGV, not permitted */
	FAULT_SIGBUS,
	FAULT_OOM,
};

enum pte_kind { PTE_NONE, PTE_PRESENT, PTE_SWAP };

enum swap_result { SWAP_SUCCESS, SWAP_AGAIN, SWAP_FAIL };

/* What a scheme written in Python is asked; see vmemu/rmap/python.py. */
enum rmap_call {
	RMAP_ADD,
	RMAP_REMOVE,
	RMAP_MOVE,
	RMAP_CLASH,
	RMAP_CANDIDATES_REFERENCED, /* how many it put into m->candidates */
	RMAP_CANDIDATES_UNMAP,
	RMAP_VMA_DUP, /* address = kptr of the parent's vma */
	RMAP_VMA_FREE,
	RMAP_VMA_SPLIT, /* address = kptr of the other part */
};

struct candidate {    /* where a page may be mapped */
	kptr mm, vma; /* vma 0: to be looked up after a hit */
	kulong address;
};

/* When a vma came onto its lists; for machine.check(), not for the guest. */
struct list_stamps {
	uint32_t anon; /* 2.6.7's anon_vma: the newest first */
	uint32_t file; /* the newest last */
};

enum overcommit { OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER };

enum gfp_bits {
	GFP_KERNEL = 0,
	GFP_ZERO = 1,   /* cleared */
	GFP_ATOMIC = 2, /* no reclaim; may use half of the reserve */
};

/* ---- the machine -------------------------------------------------------- */

struct cpu_regs {
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t eip, eflags;
	uint32_t cs, ss, ds, es, fs, gs;
};

enum cpu_trap {
	TRAP_NONE,
	TRAP_SYSCALL, /* int 0x80; eip is behind it */
	TRAP_FAULT,   /* fault_address, fault_access, fault_result */
	TRAP_EXCEPTION, /* trap_vector; eip at the instruction (behind it for int3, into) */
	TRAP_PREEMPT, /* time slice used up */
	TRAP_STOP,    /* cpu_request_stop() */
};

/* What the calls that only read it return; kept by Python. */
struct task_ids {
	uint32_t pid, ppid, uid, gid;
};

struct swap_run {       /* of neighbouring slots */
	uint32_t entry; /* the first one's */
	uint32_t n;
};

struct swap_info {
	int fd; /* -1 = slot unused */
	int prio;
	uint32_t writeok;
	uint32_t max;   /* pages, header included */
	uint32_t pages; /* usable slots */
	uint32_t inuse;
	uint32_t lowest_bit, highest_bit;
	uint32_t cluster_next, cluster_nr;
	uint32_t nr_map_frames;
	kptr *map_frames; /* guest frames of the swap map, 2048 uint16_t each */
};

/* Drawn, with the order, in docs/locking.md; the first is the outermost. */
enum lock_class {
	LOCK_mmap_sem,   /* mm_struct.mmap_sem */
	LOCK_page,       /* struct page, PG_locked */
	LOCK_i_mmap,     /* address_space.i_mmap_lock */
	LOCK_page_table, /* mm_struct.page_table_lock */
	LOCK_page_map,   /* struct page, PG_maplock */
	LOCK_anonmm,     /* anonmm.lock of a bundle's head */
	LOCK_anon_vma,   /* anon_vma.lock */
	LOCK_swap,       /* kernel_data.swap_lock */
	LOCK_lru,        /* zone.lru_lock */
	NR_LOCK_CLASSES
};

struct lock_stat {
	uint64_t acquired;
	uint64_t failed; /* trylocks */
	uint64_t
		steps_held; /* steps made between lock and unlock; only while no
			      * lock of the class is held */
};

enum held_mode {
	HELD_READ = 1, /* mmap_sem for read */
	HELD_TRY = 2,  /* by a trylock: it has not waited */
};

struct held_lock {
	uint32_t class; /* enum lock_class */
	uint32_t mode;  /* enum held_mode */
	kptr object;    /* the lock's word */
};

enum { MAX_HELD_LOCKS = 16 };

/* What one path of the kernel holds, for the checker; in order of taking. */
struct held_locks {
	uint32_t nr;
	uint32_t nest; /* the next lock may stand inside another of its class */
	kptr newborn; /* fork's child, which only the path that makes it changes */
	struct held_lock lock[MAX_HELD_LOCKS];
};

/* What is about to happen, for whoever watches (m->watch). */
enum step_kind {
	STEP_lock,
	STEP_trylock,
	STEP_unlock,
	STEP_read, /* something shared that no lock held here guards */
	STEP_write,
	STEP_alloc,
	STEP_add,   /* a change that commutes with others of its kind */
	STEP_start, /* a path's first */
};

/* What a lock guards; each rule stands once, in watch/owner.c. */
enum owned_field {
	OWNED_vm_flags,      /* of a struct vm_area_struct */
	OWNED_vma_range,     /* the same */
	OWNED_vma_list,      /* of a struct mm_struct */
	OWNED_mm_sizes,      /* the same */
	OWNED_page_table,    /* the same */
	OWNED_anon_vma,      /* of a struct vm_area_struct */
	OWNED_anon_vma_list, /* of a struct anon_vma */
	OWNED_anonmm_ring,   /* of a head, struct anonmm */
	OWNED_i_mmap,        /* of a struct address_space */
	OWNED_mapcount,      /* of a struct page */
	OWNED_lru,           /* of the struct zone */
	OWNED_swap_map,      /* of a struct kernel_data */
	NR_OWNED
};

enum watch_bits {
	WATCH_LOCKS = 1,   /* watch/lockdep.c checks every lock operation */
	WATCH_EXPLORE = 2, /* explore/explore.c wants every step */
};

/* Near misses of the locking of vm_flags, switched on one by one: RMAP.md 4. */
enum mutation_bits {
	MUTATE_a = 1 << 0, /* make_pages_present before VM_LOCKED is stored */
	MUTATE_b = 1 << 1, /* reclaim tests VM_LOCKED before page_table_lock */
	MUTATE_d = 1 << 3, /* reclaim changes vm_flags, without mmap_sem */
	MUTATE_f = 1 << 5, /* try_to_unmap does not look at page_count */
	MUTATE_g = 1 << 6, /* change_protection before vm_page_prot is stored */
	MUTATE_h = 1 << 7, /* page_table_lock is held over get_user_pages */
};

enum explore_limits { EXPLORE_PATHS = 8, EXPLORE_STEPS = 4096 };

enum explore_mode {
	EXPLORE_REDUCED, /* one order of each set of equivalent ones */
	EXPLORE_ALL,     /* every order, with so many preemptions at most */
	EXPLORE_RANDOM,
};

struct explore_options {
	uint32_t mode;        /* enum explore_mode */
	uint32_t preemptions; /* of EXPLORE_ALL */
	uint64_t seed;        /* of EXPLORE_RANDOM */
};

enum explore_outcome {
	EXPLORE_ENDED,
	EXPLORE_DEADLOCK,
	EXPLORE_ENDLESS,  /* EXPLORE_STEPS were not enough */
	EXPLORE_DIVERGED, /* a prescribed choice was not possible */
};

struct explore_step {
	uint8_t task, kind;     /* enum step_kind */
	int8_t lock_class;      /* -1: none */
	kptr object;            /* its low bit: mmap_sem for read */
	uint32_t before, after; /* the object's word */
};

struct vmemu;
struct explorer;
struct rmap_finding;

struct rmap_ops {
	const char *name;
	uint32_t vma_size, mm_size; /* bytes of the slab objects */
	/* Nonzero = page_table_lock guards the list and tree of vmas too. */
	uint32_t locks_vma_tree;
	/* Nonzero = vma may get an anonymous page without any decision. */
	int (*prepared)(struct vm_area_struct *);
	/* fork copied old to new; vma goes.  NULL: nothing to do. */
	void (*vma_dup)(struct vmemu *, struct vm_area_struct *new,
			struct vm_area_struct *old);
	void (*vma_free)(struct vmemu *, struct vm_area_struct *);
	/* new is a part cut off old; with vma_adjust()'s locks.  Or NULL. */
	void (*vma_split)(struct vmemu *, struct vm_area_struct *new,
			  struct vm_area_struct *old);
	/* A page becomes mapped (mapcount 0 -> 1) at address in vma. */
	void (*add_anon)(struct vmemu *, struct page *, struct vm_area_struct *,
			 kulong address);
	/* The same page gets another pte: only asserts. */
	void (*again_anon)(struct vmemu *, struct page *,
			   struct vm_area_struct *, kulong address);
	/* The page's last pte has gone.  NULL: nothing to do. */
	void (*remove_anon)(struct vmemu *, struct page *);
	/* So it has for so many pages that pointed at mapping.  Or NULL. */
	void (*put_anon)(struct vmemu *, kptr mapping, int32_t pages);
	/* mremap moves so many ptes to address and on; called before.  Returns
	 * how many may go: the next one's page must be made exclusive first.
	 * NULL: nothing to do for any page. */
	uint32_t (*move_anon)(struct vmemu *, const pte_t *, uint32_t nr,
			      struct vm_area_struct *, kulong address);
	/* Nonzero = a page already mapped elsewhere must be copied before it can
	 * be mapped here (swap-in). */
	int (*clash)(struct vmemu *, struct page *, struct vm_area_struct *,
		     kulong address);
	int (*referenced)(struct vmemu *, struct page *);
	int (*unmap)(struct vmemu *, struct page *);
};

struct vmemu {
	uint8_t *ram;
	uint64_t ram_size; /* bytes */
	uint32_t nr_frames;
	uint32_t page_cluster; /* log2 of swap readahead, pages */
	struct page *mem_map;
	struct kernel_data *k;
	const struct rmap_ops *rmap;
	void *handle; /* ffi handle of the Python side */

	uint64_t counter[NR_COUNTERS];
	uint64_t clock;  /* virtual nanoseconds */
	uint64_t stime;  /* of these, what faults and reclaim worked */
	uint64_t iowait; /* and what was waited for pages read or written */
	uint32_t pid;    /* of the running task, for events */

	struct event *ring;
	uint32_t ring_size;           /* a power of two; 0 = events off */
	uint64_t ring_head;           /* events ever written */
	uint64_t happened[NR_EVENTS]; /* with or without a ring */
	uint32_t events_told;         /* by type, those to write down */
	uint32_t stop_events;         /* by type, those to stop at */
	struct event stop_event;      /* the one it was; type 0 = none yet */

	uint32_t overcommit_memory; /* enum overcommit */
	uint32_t overcommit_ratio;  /* percent of RAM */
	int64_t vm_committed;       /* pages promised */

	struct mm_struct *current_mm;
	uint32_t vm_flags_lock; /* 1: page_table_lock too, as before rmap 34 */
	uint32_t fault_in_c;    /* decided faults do not go to Python */
	struct lock_stat lock_stat[NR_LOCK_CLASSES];
	uint64_t steps;            /* pte and vm_flags accesses, allocations */
	uint32_t watch;            /* enum watch_bits */
	uint32_t mutations;        /* enum mutation_bits */
	struct explorer *explorer; /* while there is a snapshot, else NULL */
	struct held_locks *held;   /* the running path's; &m->path by default */
	struct held_locks path;
	/* Learned: how often a class was waited for inside another. */
	uint64_t lock_order[NR_LOCK_CLASSES][NR_LOCK_CLASSES];
	uint32_t in_hook;   /* inside the TLB-fill hook */
	uint32_t memalloc;  /* PF_MEMALLOC depth: may use the whole reserve */
	uint32_t tlb_stale; /* flush before user code runs again */
	uint32_t tlb_patience; /* misses without a flush until the TLB grows */
	uint32_t want_kswapd;  /* free pages fell below pages_low */
	uint32_t nr_quarantine;
	uint32_t nr_pagecache; /* pages of files */
	uint32_t nr_mapped;    /* frames with mapcount > 0 */
	uint32_t nr_pagetable; /* frames that are page tables */

	struct swap_info swap[MAX_SWAPFILES];
	int file_fd[NR_FILES]; /* host descriptors of mapped files, -1 = free */

	struct swap_run swap_writes; /* not yet sent, see swap/io.c */
	struct page *swap_write_pages[SWAP_CLUSTER_MAX];

	struct rmap_finding *finding; /* while check() asks a walk */
	struct list_stamps *stamps;   /* by place of the vma in RAM */
	uint32_t next_stamp;
	struct candidate *candidates; /* Python's, valid during one walk */

	int swap_error; /* errno of the host's, with which a swap file failed */
	uint32_t swap_error_write; /* it was to be written */

	char bug[512]; /* first inconsistency found by the core, or "" */

	/* system calls, see cpu/syscall.c */
	uint32_t syscalls_in_c; /* the trivial ones need not go to Python */
	struct task_ids ids;    /* of the running task */
	uint64_t clock_limit;   /* somebody wants the CPU at this time */
	uint64_t next_timer;    /* or at least to know that it has come */

	/* CPU, see cpu/run.c */
	void *uc;
	struct cpu_regs regs;
	uint32_t trap_vector;
	uint32_t fault_inexact; /* the fault being resolved: page only so far */
	uint32_t fault_address, fault_access, fault_result;
	struct cpu_state *cpu;
	uint32_t cpu_aborted; /* the engine gave up, see cpu/abort.c */
};

/* C -> Python: the only ways back. */
#ifdef VMEMU_CDEF
extern "Python" int py_fault(struct vmemu *, struct mm_struct *,
			     uint32_t address, int access);
extern "Python" int py_reclaim(struct vmemu *, int gfp);
extern "Python" int py_rmap(struct vmemu *, int call, struct page *,
			    struct vm_area_struct *, uint32_t address);
extern "Python" int py_switch(struct vmemu *, int path);
#else
extern int (*py_fault_entry)(struct vmemu *, struct mm_struct *, uint32_t, int);
extern int (*py_reclaim_entry)(struct vmemu *, int);
extern int (*py_rmap_entry)(struct vmemu *, int, struct page *,
			    struct vm_area_struct *, uint32_t);
extern int (*py_switch_entry)(struct vmemu *, int);
#endif
void vmemu_set_entries(int (*fault)(struct vmemu *, struct mm_struct *,
				    uint32_t, int),
		       int (*reclaim)(struct vmemu *, int),
		       int (*rmap)(struct vmemu *, int, struct page *,
				   struct vm_area_struct *, uint32_t),
		       int (*switch_to)(struct vmemu *, int));

/* core/machine.c */
struct vmemu *vmemu_new(uint64_t ram_bytes, const char *rmap,
			uint32_t cache_line, uint32_t min_free_pages,
			uint32_t ring_size);
void vmemu_close(struct vmemu *); /* files and RAM; addresses stay, as zeros */
void vmemu_free(struct vmemu *);  /* after it */
uint32_t vmemu_boot_frames(uint64_t ram_bytes); /* frames reserved at boot */
const char *vmemu_counter_name(int id);
const char *vmemu_event_name(int type);
const char *vmemu_cache_name(int id);
const char *vmemu_rmap_name(int i); /* NULL behind the last */
void vmemu_event(struct vmemu *, int type, uint32_t a, uint32_t b, uint32_t c);
/* The next event of these types (bits) sets stop_event, and the CPU stops. */
void vmemu_stop_at(struct vmemu *, uint32_t types);
kptr vmemu_kaddr(struct vmemu *, const void *host); /* 0 for NULL */
void *vmemu_host(struct vmemu *, kptr);             /* NULL for 0 */

/* watch/lock.c */
const char *vmemu_lock_name(int lock_class);
void down_read(struct vmemu *, struct mm_struct *);
void up_read(struct vmemu *, struct mm_struct *);
void down_write(struct vmemu *, struct mm_struct *);
void up_write(struct vmemu *, struct mm_struct *);
void lock_page_table(struct vmemu *, struct mm_struct *);
void unlock_page_table(struct vmemu *, struct mm_struct *);
/* Any lock but mmap_sem, by the address of its word, for tests and the lab. */
void take_lock(struct vmemu *, int lock_class, kptr word);
int try_lock(struct vmemu *, int lock_class, kptr word);
void drop_lock(struct vmemu *, int lock_class, kptr word);
/* A write of vm_flags, by whatever rule m->vm_flags_lock names. */
void vma_set_flags(struct vmemu *, struct vm_area_struct *, kulong flags);

/* watch/lockdep.c: what is checked under WATCH_LOCKS; see docs/locking.md */
/* Documented: may `inner` be waited for while `outer` is held? */
int lock_order_allows(int outer, int inner);
int lock_sleeps(int lock_class);   /* its holder may sleep */
void lockdep_nest(struct vmemu *); /* see struct held_locks */
void lockdep_path_ends(struct vmemu *, const char *path); /* holds nothing */

/* watch/owner.c */
const char *owned_field_name(int field); /* "mm_struct.rss, ptes" */
const char *owned_field_rule(int field); /* "page_table_lock" */
/* object: what enum owned_field says; the writer is a function's name. */
void assert_owner(struct vmemu *, int field, const void *object,
		  const char *writer);
/* explore/explore.c: a snapshot, and runs of several paths that begin there */
bool explore_begin(struct vmemu *, uint32_t nr_paths,
		   const struct explore_options *);
void explore_end(struct vmemu *);
void explore_start(struct vmemu *);
void explore_stop(struct vmemu *);
int explore_choose(struct vmemu *); /* path, or -1 */
void explore_exit(struct vmemu *);
void explore_prescribe(struct vmemu *, const uint8_t *paths, uint32_t n);
int explore_advance(struct vmemu *); /* 0: explored */
int explore_outcome(struct vmemu *); /* enum explore_outcome */
int explore_redundant(struct vmemu *);
const struct explore_step *explore_steps(struct vmemu *, uint32_t *n);
struct explore_step explore_pending(struct vmemu *, int path);
uint64_t explore_digest(struct vmemu *);
void explore_step(struct vmemu *, enum step_kind, int lock_class, kptr object);
void explore_touch(struct vmemu *, enum step_kind, kptr object);

/* page/frame.c */
struct page *alloc_page(struct vmemu *, int gfp);
void get_page(struct vmemu *, struct page *);
void put_page(struct vmemu *, struct page *);
uint32_t page_to_pfn(struct vmemu *, const struct page *);
struct page *pfn_to_page(struct vmemu *, uint32_t pfn);
void release_quarantine(struct vmemu *); /* their blocks have been dropped */

/* page/slab.c */
void *kmem_cache_alloc(struct vmemu *, int id, int gfp);
int kmem_cache_owns(struct vmemu *, int id, kptr object);
void kmem_cache_free(struct vmemu *, int id, void *object);

/* mm/mmap.c: 0, or -1 = no memory */
int vm_enough_memory(struct vmemu *, uint32_t pages); /* charges them */
int dup_mmap(struct vmemu *, struct mm_struct *child, struct mm_struct *parent);
void exit_mmap(struct vmemu *, struct mm_struct *);

/* mm/pgtable.c */
struct mm_struct *mm_alloc(struct vmemu *);
void mm_free(struct vmemu *, struct mm_struct *); /* page tables are gone */
pte_t *pte_offset(struct vmemu *, struct mm_struct *, kulong address);
pte_t *pte_alloc(struct vmemu *, struct mm_struct *, kulong address);
int pte_kind_at(struct vmemu *, struct mm_struct *, kulong address);
pte_t pte_value(struct vmemu *, struct mm_struct *, kulong address);
void free_pgtables(struct vmemu *, struct mm_struct *, kulong start,
		   kulong end); /* tables that lie wholly in [start, end) */
void flush_tlb(struct vmemu *);
uint32_t vm_page_prot(kulong vm_flags); /* protection_map[] */

/* mm/vma.c */
struct vm_area_struct *find_vma(struct vmemu *, struct mm_struct *,
				kulong address);
struct vm_area_struct *find_vma_prev(struct vmemu *, struct mm_struct *,
				     kulong address,
				     struct vm_area_struct **prev);
struct vm_area_struct *vma_alloc(struct vmemu *); /* zeroed; NULL */
void vma_free(struct vmemu *, struct vm_area_struct *);
void vma_copy(struct vmemu *, struct vm_area_struct *to,
	      const struct vm_area_struct *from);
void vma_link(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
/*
 * New ends for vma, whose offset follows.  insert, a copy of it, becomes the
 * part cut off; else the vma behind gives or takes what lies between, and is
 * unlinked (then empty) when nothing is left of it.
 */
void vma_adjust(struct vmemu *, struct vm_area_struct *, kulong start,
		kulong end, struct vm_area_struct *insert);
/* Pages more, or less, in total_vm and locked_vm. */
void mm_account(struct vmemu *, struct mm_struct *, int32_t total,
		int32_t locked);
/* Returns the pages it grew by: another fault may have been first. */
uint32_t vma_expand_down(struct vmemu *, struct vm_area_struct *, kulong start);
void vma_unlink(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
void vma_file_link(struct vmemu *, struct vm_area_struct *);
void vma_file_unlink(struct vmemu *, struct vm_area_struct *);
kulong get_unmapped_area(struct vmemu *, struct mm_struct *, kulong low,
			 kulong high, kulong length, int topdown);

/* mm/fault.c: each returns enum fault_result */
int page_fault(struct vmemu *, struct mm_struct *, kulong address, int access);
int page_fault_locked(struct vmemu *, struct mm_struct *, kulong address,
		      int access); /* mmap_sem is held */
int handle_pte_fault(struct vmemu *, struct mm_struct *,
		     struct vm_area_struct *, kulong address, int write);
int vma_permits(struct vm_area_struct *, int access); /* yes or no */

/* mm/memory.c */
/* Every vma's part of [start, end). */
void unmap_vmas(struct vmemu *, struct mm_struct *, kulong start, kulong end);
void zap_page_range(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
		    kulong start, kulong end);
int copy_page_range(struct vmemu *, struct mm_struct *dst,
		    struct mm_struct *src, struct vm_area_struct *);
int make_pages_present(struct vmemu *, struct mm_struct *, kulong start,
		       kulong end, int write); /* enum fault_result */
/* With a reference; NULL = the access is not possible.  mmap_sem is held. */
struct page *get_user_page(struct vmemu *, struct mm_struct *, kulong address,
			   int write);
/* What a device does to a page it was given that way, set_page_dirty included. */
void device_write(struct vmemu *, struct page *, kulong offset, uint8_t);

/* mm/mprotect.c, mm/mremap.c */
void change_protection(struct vmemu *, struct mm_struct *,
		       struct vm_area_struct *, kulong start, kulong end,
		       kulong prot);
/* Returns the bytes moved; less than length when memory ran out. */
kulong move_page_tables(struct vmemu *, struct mm_struct *,
			struct vm_area_struct *from, kulong old_address,
			struct vm_area_struct *to, kulong new_address,
			kulong length);

/* mm/uaccess.c: -1 = EFAULT */
int64_t copy_from_user(struct vmemu *, struct mm_struct *, void *to,
		       kulong from, kulong n); /* bytes copied */
int64_t copy_to_user(struct vmemu *, struct mm_struct *, kulong to,
		     const void *from, kulong n); /* bytes copied */
int64_t strncpy_from_user(struct vmemu *, struct mm_struct *, void *to,
			  kulong from, kulong n); /* length, n = too long, -1 */

/* file/filemap.c */
struct address_space *file_open(struct vmemu *, int fd); /* keeps fd */
void file_close(struct vmemu *, struct address_space *);
int file_mapped(struct vmemu *, const struct address_space *);
struct page *find_get_page(struct vmemu *, struct address_space *,
			   kulong index);
void remove_from_page_cache(struct vmemu *, struct page *);

/* rmap/rmap.c, rmap_*.c */
void page_add_anon_rmap(struct vmemu *, struct page *, struct vm_area_struct *,
			kulong address);
void page_add_file_rmap(struct vmemu *, struct page *);
void page_remove_rmap(struct vmemu *, struct page *);
int page_referenced(struct vmemu *, struct page *);
int try_to_unmap(struct vmemu *, struct page *); /* enum swap_result */
/* rmap/check.c: pages are mapped where[i], frame pfn[i], in order of frames: the
 * first that page_referenced(), or try_to_unmap(), would not find; n = none. */
uint32_t rmap_missing(struct vmemu *, const struct candidate *where,
		      const uint32_t *pfn, uint32_t n, int unmap);
struct list_stamps list_stamps(struct vmemu *, const struct vm_area_struct *);
int anonmm_init(struct vmemu *, struct mm_struct *);
int anonmm_dup(struct vmemu *, struct mm_struct *child,
	       struct mm_struct *parent);
void anonmm_exit(struct vmemu *, struct mm_struct *);
struct anon_vma *anon_vma_alloc(struct vmemu *);
void anon_vma_free(struct vmemu *, struct anon_vma *);
void anon_vma_link(struct vmemu *, struct vm_area_struct *); /* at the front */
void anon_vma_unlink(struct vmemu *, struct vm_area_struct *);
void anon_vma_absorb(struct vmemu *, struct vm_area_struct *into,
		     const struct vm_area_struct *other, int all);
/* anon_vma_prepare's last step; 0 = another thread was first. */
int anon_vma_install(struct vmemu *, struct vm_area_struct *,
		     struct anon_vma *);

/* swap/area.c, swap/cache.c */
int swap_add(struct vmemu *, int fd, uint32_t pages, int prio); /* type, -1 */
void swap_set_writeok(struct vmemu *, int type, int writeok);
void swap_remove(struct vmemu *, int type); /* nothing in use */
uint32_t get_swap_page(struct vmemu *);     /* entry; 0 = full */
int swap_duplicate(struct vmemu *, uint32_t entry);
uint32_t swap_free(struct vmemu *, uint32_t entry); /* users left */
uint32_t swap_count(struct vmemu *, uint32_t entry);
uint32_t swap_total(struct vmemu *); /* pages */
uint32_t swap_used(struct vmemu *);
struct page *lookup_swap_cache(struct vmemu *, uint32_t entry); /* counted */
struct page *read_swap_cache(struct vmemu *, uint32_t entry, int readahead,
			     int *major);
int remove_exclusive_swap_page(struct vmemu *, struct page *);
/* swapoff: 0 = every pte of this area in mm is back, -1 = no memory */
int unuse_mm(struct vmemu *, struct mm_struct *, int type);
/* Slots still in use, which reclaim has given to ptes meanwhile. */
uint32_t swap_drop_cache(struct vmemu *, int type);

/* reclaim/vmscan.c */
void release_pages(struct vmemu *, struct page *const *, uint32_t n);
void lru_cache_add(struct vmemu *, struct page *);
void lru_cache_add_active(struct vmemu *, struct page *);
void mark_page_accessed(struct vmemu *, struct page *);
uint32_t shrink_cache(struct vmemu *, uint32_t nr_to_scan); /* pages freed */
void refill_inactive_zone(struct vmemu *, uint32_t nr_pages,
			  int reclaim_mapped);
int reclaim_page(struct vmemu *, struct page *); /* 1 = frame freed */
int pageout_range(struct vmemu *, struct mm_struct *, kulong start,
		  kulong end); /* pages unmapped */

/* cpu/run.c, cpu/state.c, cpu/tlb.c */
struct cpu_context; /* one task's registers, segments, FPU and TLS entries */
const char *cpu_uc_function(int i);                   /* NULL behind the last */
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
void cpu_fxsave(struct vmemu *, void *image); /* 512 bytes, running task's */
void cpu_fxrstor(struct vmemu *, const void *image);
void cpu_exact_fault(struct vmemu *); /* fault_address, fault_access */
void cpu_drop_code(struct vmemu *);   /* and release the quarantine */
void cpu_code_written(struct vmemu *, struct page *);
#endif
