/* rmap/cow_context.h - what others see of cow_context. */
#ifndef VMEMU_RMAP_COW_CONTEXT_H
#define VMEMU_RMAP_COW_CONTEXT_H

struct cow_context { /* 44 or 80 bytes */
	kptr mm;     /* 0: it has ended */
	kptr parent; /* 0: exec made it */
	kptr root;
	struct list_head children; /* in the order of their forks */
	struct list_head siblings;
	kptr remaps;      /* struct cow_remap: areas that were moved */
	int32_t refcount; /* the living mm, each child, each page */
	uint32_t lock;    /* the root's guards the whole tree */
	uint32_t stale;   /* entries have stayed for want of memory */
};

/* Pages now at [start, end) have an index that is less by offset. */
struct cow_remap_entry { /* pages */
	kulong start, end;
	klong offset;
};

enum { COW_REMAP_SIZE = 256 }; /* as a maple node takes, whatever the width */

struct cow_remap {
	kptr next; /* the only one that may not be full is the last */
	uint32_t nr;
	struct cow_remap_entry entry[640 / BITS_PER_LONG]; /* by address */
};

struct cow_context_tail { /* behind an mm_struct */
	kptr context;
};

enum cow_context_cache {
	CACHE_cow_context = CACHE_rmap,
	CACHE_cow_remap,
};

enum cow_context_owned {
	OWNED_cow_tree = OWNED_rmap, /* of a root, struct cow_context */
	OWNED_cow_remaps,            /* of a struct cow_context */
};

enum cow_context_option { OPTION_cow_prune };

/* mremap moves old to new, which may be longer; nothing has been moved yet: 0, or
 * -1 = no memory. */
int cow_context_move(struct vmemu *, struct mm_struct *, kulong old,
		     kulong length, kulong new, kulong new_length);
/* The vma has no pages any more and goes. */
void cow_context_forget(struct vmemu *, struct vm_area_struct *);
/* By how many pages the index is less than the page number of address. */
klong cow_context_offset(struct vmemu *, struct mm_struct *, kulong address);

#endif
RMAP_SCHEME(cow_context)
