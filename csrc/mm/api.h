/* mm/api.h - address spaces: areas, page tables, faults. */
#ifndef VMEMU_MM_API_H
#define VMEMU_MM_API_H

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
	VM_LOCK_RMAP = 0x01000000, /* of a mutation only */
};

struct vm_area_struct { /* 72 bytes, then the rmap scheme's */
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
	struct kioctx default_kioctx;
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

enum pte_kind { PTE_NONE, PTE_PRESENT, PTE_SWAP };

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

/* mm/mmap.c: 0, or -1 = no memory */
int vm_enough_memory(struct vmemu *, int64_t pages); /* charges them */
int dup_mmap(struct vmemu *, struct mm_struct *child, struct mm_struct *parent);
void exit_mmap(struct vmemu *, struct mm_struct *);

/* mm/pgtable.c */
struct mm_struct *mm_alloc(struct vmemu *);
void mm_free(struct vmemu *, struct mm_struct *); /* page tables are gone */
pte_t *pte_offset(struct vmemu *, struct mm_struct *, kulong address);
pte_t *pte_alloc(struct vmemu *, struct mm_struct *, kulong address);
int pte_kind_at(struct vmemu *, struct mm_struct *, kulong address);
pte_t pte_value(struct vmemu *, struct mm_struct *, kulong address);
/* the first page from start on that has a page table; end = none before it */
kulong next_mapped(struct vmemu *, struct mm_struct *, kulong start,
		   kulong end);
void free_pgtables(
	struct vmemu *, struct mm_struct *, kulong start,
	kulong end); /* those whose whole extent is in [start, end) */
void flush_tlb(struct vmemu *);
kulong vm_page_prot(kulong vm_flags); /* protection_map[] */

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
void mm_account(struct vmemu *, struct mm_struct *, int64_t total,
		int64_t locked);
/* Returns the pages it grew by: another fault may have been first. */
kulong vma_expand_down(struct vmemu *, struct vm_area_struct *, kulong start);
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

/* mm/zap.c, mm/fork.c, mm/gup.c */
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

#endif
