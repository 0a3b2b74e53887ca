/* rmap/api.h - from a frame to whoever maps it: the schemes. */
#ifndef VMEMU_RMAP_API_H
#define VMEMU_RMAP_API_H

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

#endif
