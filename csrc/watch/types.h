/* watch/types.h - locks, and who watches over them. */
#ifndef VMEMU_WATCH_TYPES_H
#define VMEMU_WATCH_TYPES_H

/* Drawn, with the order, in docs/locking.md; the first is the outermost. */
enum lock_class {
	LOCK_mmap_sem,   /* mm_struct.mmap_sem */
	LOCK_page,       /* struct page, PG_locked */
	LOCK_i_mmap,     /* address_space.i_mmap_lock */
	LOCK_page_table, /* mm_struct.page_table_lock */
	LOCK_page_map,   /* struct page, PG_maplock */
	LOCK_rmap,       /* the rmap scheme's, which gives it its name */
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
	kptr reserve; /* an object of the scheme, for the next pte that needs one */
	kptr newborn; /* fork's child, which only the path that makes it changes */
	struct held_lock lock[MAX_HELD_LOCKS];
};

/* What is about to happen, for whoever watches (m->watch.bits). */
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

/* What a lock guards; each rule stands once, in watch/owner.c or with the scheme. */
enum owned_field {
	OWNED_vm_flags,   /* of a struct vm_area_struct */
	OWNED_vma_range,  /* the same */
	OWNED_vma_list,   /* of a struct mm_struct */
	OWNED_mm_sizes,   /* the same */
	OWNED_page_table, /* the same */
	OWNED_i_mmap,     /* of a struct address_space */
	OWNED_mapcount,   /* of a struct page */
	OWNED_lru,        /* of the struct zone */
	OWNED_swap_map,   /* of a struct kernel_data */
	OWNED_rmap,       /* the first of the scheme's own */
	MAX_RMAP_RULES = 4,
	NR_OWNED = OWNED_rmap + MAX_RMAP_RULES
};

struct owner_rule {
	const char *field, *locks;
	bool (*owns)(struct vmemu *, const void *object);
};

enum watch_bits {
	WATCH_LOCKS = 1,   /* watch/lockdep.c checks every lock operation */
	WATCH_EXPLORE = 2, /* the watcher wants every step */
};

/* Who wants every step, and may let another path run at it. */
struct watcher {
	void (*step)(struct vmemu *, enum step_kind, int lock_class,
		     kptr object);
	/* A shared access that is part of the step in progress. */
	void (*touch)(struct vmemu *, enum step_kind, kptr object);
};

struct lock_state {
	uint32_t vm_flags_lock; /* 1: page_table_lock too, as before rmap 34 */
	struct lock_stat stat[NR_LOCK_CLASSES];
	struct held_locks
		*held; /* the running path's; &m->locks.path by default */
	struct held_locks path;
	/* Learned: how often a class was waited for inside another. */
	uint64_t order[NR_LOCK_CLASSES][NR_LOCK_CLASSES];
};

struct watch_state {
	uint32_t bits;      /* enum watch_bits */
	uint32_t mutations; /* enum mutation_bits */
	uint64_t steps;     /* pte and vm_flags accesses, allocations */
	const struct watcher *watcher; /* under WATCH_EXPLORE */
	struct explorer *explorer; /* while there is a snapshot, else NULL */
	uint32_t rewinds; /* to a snapshot: nothing it has may be closed */
};

/* Near misses of the locking of vm_flags, switched on one by one: RMAP.md 4. */
enum mutation_bits {
	MUTATE_a = 1 << 0, /* make_pages_present before VM_LOCKED is stored */
	MUTATE_b = 1 << 1, /* reclaim tests VM_LOCKED before page_table_lock */
	MUTATE_c = 1 << 2, /* the same for nonlinear areas; 2.6 does so */
	MUTATE_d = 1 << 3, /* reclaim changes vm_flags, without mmap_sem */
	MUTATE_f = 1 << 5, /* try_to_unmap does not look at page_count */
	MUTATE_g = 1 << 6, /* change_protection before vm_page_prot is stored */
	MUTATE_h = 1 << 7, /* page_table_lock is held over get_user_pages */
};

#endif
