/* rmap/types.h - from a frame to whoever maps it: the schemes. */
#ifndef VMEMU_RMAP_TYPES_H
#define VMEMU_RMAP_TYPES_H

enum swap_result { SWAP_SUCCESS, SWAP_AGAIN, SWAP_FAIL };

struct candidate {    /* where a page may be mapped */
	kptr mm, vma; /* vma 0: to be looked up after a hit */
	kulong address;
};

/* What was last done to make a vma what it is. */
enum vma_came { CAME_MAPPED, CAME_SPLIT, CAME_FORKED, CAME_MOVED, CAME_MERGED };

/* When a vma came onto its lists, and where from; for machine.check(), not for
 * the guest. */
struct list_stamps {
	uint32_t anon; /* 2.6.7's anon_vma: the newest first */
	uint32_t file; /* the newest last */
	uint32_t came; /* enum vma_came */
	kulong from;   /* the start of the other area */
};

/* Where one page is mapped, and which of these places a walk has come to. */
struct rmap_finding {
	const struct candidate *where;
	uint8_t *reached;
	uint32_t n;
	struct rmap_log *log; /* or NULL; then the rest is not used */
};

struct check_state {
	struct rmap_finding *finding; /* while check() asks a walk */
	struct list_stamps *stamps;   /* by place of the vma in RAM */
	uint32_t next_stamp;
};

struct rmap_cache { /* of a scheme's own objects */
	const char *name;
	uint32_t size, align; /* bytes; align 0: as much as an object has */
	uint32_t later;       /* nonzero: later kernels have it, and larger */
};

/* What m->rmap_option has; those before it are the scheme's own. */
enum { OPTION_stop = 3, MAX_RMAP_OPTIONS };

/* What says that a walk has found all; see rmap/stop.h. */
enum stop_rule { STOP_mapcount, STOP_exclusive, STOP_owners, STOP_none };

#define STOP_NEVER 0xffffffff /* nobody knows */

/* Mapped anonymous pages, what is said of them, and what is so. */
struct sharing {
	uint32_t pages;
	uint32_t exclusive, called_exclusive; /* one pte's alone */
	uint32_t wrongly_shared;
	uint32_t wrong;    /* of whose ptes it gives another number: a bug */
	double called_pss; /* pages; in truth it is all of them */
};

struct rmap_data {     /* in guest RAM: of the scheme as a whole, 0 at boot */
	uint32_t lock; /* LOCK_rmap, for whoever has one for all */
	kptr cursor;
};

/* What a plug-in declares: of its ops, what differs between machines. */
struct rmap_plugin {
	uint32_t vma_tail, mm_tail;
	struct rmap_cache caches[MAX_RMAP_CACHES]; /* names outlive it */
	uint32_t hooks; /* which it has, as the scheme numbers them */
};

/* A page gets a pte, not by fork. */
enum add_how {
	ADD_NEW,   /* the first, of a page made for it */
	ADD_BACK,  /* the first, from swap: other ptes may have its entry */
	ADD_AGAIN, /* one more */
};

enum rmap_walk { WALK_REFERENCED, WALK_UNMAP };

/* What became of a candidate: of the last, its page table was walked. */
enum rmap_verdict {
	TRIED_DEAD,  /* its process has ended */
	TRIED_EMPTY, /* it has no pages */
	TRIED_RANGE, /* the page is not in the range of the area */
	TRIED_PTE,   /* its pte is empty, or another page's */
	TRIED_MATCH,
	TRIED_BUSY, /* its page_table_lock was taken */
	NR_VERDICTS
};

/* One walk for one page: what it is for, and how far it has come. */
struct rmap_search {
	enum rmap_walk walk;
	bool file;  /* the page is a file's */
	bool exact; /* mapcount says when it ends, not another rule */
	uint32_t all,
		mapped; /* ptes there are as the rule says, and in truth */
	uint32_t left;  /* ptes to be found yet */
	uint32_t found; /* ptes found */
	int young;      /* WALK_REFERENCED: of these, so many were */
	int ret;        /* WALK_UNMAP: enum swap_result */
	/* Nonzero = somebody only wants to know how it would go: a scheme leaves
	 * everything as it was. */
	uint32_t asked;
};

/* What would become of the pte of a match. */
enum rmap_outcome {
	OUTCOME_none,   /* there is none */
	OUTCOME_old,    /* WALK_REFERENCED: not accessed */
	OUTCOME_young,  /* the same: accessed, and old then */
	OUTCOME_gone,   /* WALK_UNMAP: taken away */
	OUTCOME_locked, /* the same: stays, since its area is locked in memory */
	OUTCOME_held, /* the same: stays, since somebody else holds the page */
};

/* One candidate of a walk that was asked for, and what it cost. */
struct rmap_tried {
	kptr mm, vma;   /* 0: there is none, or the scheme does not know it */
	kulong address; /* from TRIED_PTE on; before, 0 or where it was to be */
	uint32_t verdict; /* enum rmap_verdict */
	uint32_t outcome; /* enum rmap_outcome */
	uint32_t probes, cmps;
};

/* A walk that was asked for. */
struct rmap_log {
	struct rmap_tried *tried; /* Python's, as is counted */
	uint32_t room, nr;        /* there may be more than there is room for */
	uint32_t found, young;    /* as in struct rmap_search */
	int ret;                  /* enum swap_result */
	uint32_t probes, cmps;    /* counted so far */
	uint64_t *counted; /* of each counter, what the walk would count */
};

/*
 * A scheme.  To add one:
 *   1. csrc/rmap/NAME.c with its rmap_NAME, below; csrc/rmap/NAME.h if Python
 *      calls functions of it or looks into its structs;
 *   2. its line in csrc/rmap/schemes.h;
 *   3. vmemu/rmap/NAME.py with its classes, and SCHEMES, which lists them;
 *   4. formulas in vmemu/lab/scenarios, a section in docs/schemes.md.
 * NULL stands for nothing to do, unless something else is said.
 */
struct rmap_ops {
	const char *name;
	/* For a plug-in: ops of the machine's own, malloced; NULL = no host
	 * memory.  plugin may be NULL: nothing declared. */
	struct rmap_ops *(*plug)(const struct rmap_plugin *);
	/* Bytes that it has behind each vm_area_struct and mm_struct: zero when
	 * allocated, and never copied for it. */
	uint32_t vma_tail, mm_tail;
	struct rmap_cache caches[MAX_RMAP_CACHES]; /* CACHE_rmap and on */
	/* Bytes of an object of caches[i], where m->rmap_option says it.  NULL:
	 * caches[i].size. */
	uint32_t (*cache_size)(const struct vmemu *, int i);
	const char *lock_name;                   /* of LOCK_rmap; or NULL */
	struct owner_rule rules[MAX_RMAP_RULES]; /* OWNED_rmap and on */
	/* Nonzero = it sets and clears PG_exclusive, which else only a rule that
	 * ends walks does. */
	uint32_t keeps_exclusive;
	/* Nonzero = page_table_lock guards the list and tree of vmas too, and
	 * their ends. */
	uint32_t locks_vma_tree;
	/* The LOCK_rmap to be held while ends of vma move, and those of next,
	 * if it is not NULL; inside page_table_lock, if that guards them too.
	 * NULL: none. */
	uint32_t *(*range_lock)(struct vmemu *,
				const struct vm_area_struct *vma,
				const struct vm_area_struct *next);
	/* exec made a fresh mm; fork made a child, without vmas yet: 0, or
	 * -1 = no memory.  The mm has lost its vmas and dies. */
	int (*mm_init)(struct vmemu *, struct mm_struct *);
	int (*mm_dup)(struct vmemu *, struct mm_struct *child,
		      struct mm_struct *parent);
	void (*mm_exit)(struct vmemu *, struct mm_struct *);
	/* Nonzero = vma may get an anonymous page without any decision.  NULL:
	 * each may. */
	int (*prepared)(struct vmemu *, struct vm_area_struct *);
	/* fork copied old to new, which is not linked yet: 0, or -1 = no
	 * memory.  vma goes. */
	int (*vma_dup)(struct vmemu *, struct vm_area_struct *new,
		       struct vm_area_struct *old);
	void (*vma_free)(struct vmemu *, struct vm_area_struct *);
	/* new is a part cut off old; with vma_adjust()'s locks.  What may fail
	 * was done before: RmapScheme.vma_clone(). */
	void (*vma_split)(struct vmemu *, struct vm_area_struct *new,
			  struct vm_area_struct *old);
	/* The vma's start, end and offset change now, or have changed; with
	 * vma_adjust()'s locks. */
	void (*range_changes)(struct vmemu *, struct vm_area_struct *);
	void (*range_changed)(struct vmemu *, struct vm_area_struct *);
	/* A page becomes mapped at address in vma, not by fork; mapcount does
	 * not count this pte yet.  Nonzero to ADD_AGAIN = it must be copied
	 * before it can be mapped here.  Never NULL. */
	int (*add_anon)(struct vmemu *, struct page *, struct vm_area_struct *,
			kulong address, enum add_how);
	/* The page's last pte has gone. */
	void (*remove_anon)(struct vmemu *, struct page *);
	/* So it has for so many pages that pointed at mapping. */
	void (*put_anon)(struct vmemu *, kptr mapping, int32_t pages);
	/* A write found that nobody but vma has the page, which was mapped there
	 * already, or has just come back from swap. */
	void (*own_anon)(struct vmemu *, struct page *, struct vm_area_struct *,
			 kulong address);
	/* mremap moves so many ptes, to be in vma from address on; called before.
	 * Returns how many may go: the next one's page must be made exclusive
	 * first. */
	uint32_t (*move_anon)(struct vmemu *, const pte_t *from,
			      const pte_t *to, uint32_t nr,
			      struct vm_area_struct *, kulong address);
	/* Nonzero = it keeps the ptes of files' pages as well: walk, move_anon and
	 * the next three are called for these too.  NULL: they are found by the
	 * areas of their file (rmap/file.c). */
	uint32_t (*keeps_files)(const struct vmemu *);
	/* A page of a file becomes mapped, not by fork; mapcount does not count
	 * this pte yet. */
	void (*add_file)(struct vmemu *, struct page *, const pte_t *);
	/* Whoever has one of the next two is asked at every pte of fork, munmap
	 * and exit, which is slower; see m->rmap_each_pte.  fork gives an
	 * anonymous page of the parent's vma a pte in the child, too; mapcount
	 * counts it already. */
	void (*dup_pte)(struct vmemu *, struct page *,
			struct vm_area_struct *parents, struct mm_struct *child,
			const pte_t *pte);
	/* An anonymous page loses this pte of mm; mapcount counts it still. */
	void (*remove_pte)(struct vmemu *, struct page *, struct mm_struct *,
			   const pte_t *pte);
	/* Memory for what one more pte of any page may need, for the running
	 * path: 0, or -1 = there is none.  GFP_ATOMIC: under spinlocks.  fork asks
	 * before every pte, whether the last one used it or not, and gives back
	 * once for each page table what is left.  A fault may add two: a page from swap, and
	 * then its copy, the first pte of a new page. */
	int (*reserve)(struct vmemu *, int gfp);
	void (*unreserve)(struct vmemu *);
	/* mm has got a page table for ptes, from address on; it may go away
	 * without a word. */
	void (*table_added)(struct vmemu *, struct page *table,
			    struct mm_struct *, kulong address);
	/* rmap_try() for each candidate, rmap_reject() for those that need no
	 * look, until one of them says that it is enough.  Never NULL but with
	 * sweep. */
	void (*walk)(struct vmemu *, struct page *, struct rmap_search *);
	/* Instead of walks, those for pages of files included: reclaim cannot
	 * ask for a page.  Detaches ptes, rmap_detach(), as it meets them, until
	 * `wanted` has none or, where that is NULL, enough pages have lost their
	 * last; or until there is nothing left to try.  wanted is held, and off
	 * its list.  Returns the ptes detached. */
	uint32_t (*sweep)(struct vmemu *, struct page *wanted);
};

#endif
