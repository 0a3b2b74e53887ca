/* mm/types.h - address spaces: areas, page tables, faults. */
#ifndef VMEMU_MM_TYPES_H
#define VMEMU_MM_TYPES_H

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
	VM_LOCKED = 0x00002000,
	VM_SEQ_READ = 0x00008000,
	VM_RAND_READ = 0x00010000,
	VM_DONTCOPY = 0x00020000,
	VM_DONTEXPAND = 0x00040000,
	VM_RESERVED = 0x00080000,
	VM_ACCOUNT = 0x00100000,
	VM_NONLINEAR = 0x00800000,
	VM_LOCKONFAULT = 0x02000000, /* later kernels': see mlock2() */
	VM_WIPEONFORK = 0x04000000,  /* a child finds zeroes */
	VM_DONTDUMP = 0x08000000,
	VM_LOCK_RMAP = 0x01000000, /* of a mutation only */
};

/*
 * 56 or 112 bytes, then the rmap scheme's, then the i_mmap's: 72 or 144 in all with
 * a prio_tree and without a scheme's.  Linux has the i_mmap's, `shared`, before
 * vm_ops.
 */
struct vm_area_struct {
	kptr vm_mm;
	kulong vm_start, vm_end;
	kptr vm_next;
	kulong vm_page_prot;
	kulong vm_flags;
	struct rb_node vm_rb;
	kptr vm_ops;
	kulong vm_pgoff; /* pages */
	kptr vm_file;    /* address_space of the mapped file */
	kptr vm_private_data;
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
	klong nr_pages;
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

struct mm_struct { /* 524 bytes, then the rmap scheme's */
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
	union {
		struct kioctx default_kioctx;
		struct
		{ /* nothing is asynchronous: a later kernel's have its room */
			kulong hiwater_rss; /* pages; the peak is rss if that is more */
			kulong hiwater_vm;
		};
	};
};

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

enum pte_kind { PTE_NONE, PTE_PRESENT, PTE_SWAP, PTE_FILE };

enum clear_refs { CLEAR_REFS_ANON = 1, CLEAR_REFS_MAPPED = 2 };

enum overcommit { OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER };

struct tlb_state {
	uint32_t stale;    /* flush before user code runs again */
	uint32_t patience; /* misses without a flush until the TLB grows */
};

struct fault_state {      /* the fault being resolved, or the last one */
	uint32_t in_hook; /* inside the TLB-fill hook */
	uint32_t in_c;    /* decided faults do not go to Python */
	uint32_t inexact; /* address is right to the page only so far */
	kulong address;
	uint32_t access, result; /* enum fault_access, enum fault_result */
};

#endif
