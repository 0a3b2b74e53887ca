/* rmap/cow_remap.h - a context's remap map, for cow_context alone. */
#ifndef VMEMU_RMAP_COW_REMAP_H
#define VMEMU_RMAP_COW_REMAP_H
#include "core/core.h"
#include "rmap/rmap.h"

static inline struct cow_context *cow_context_at(struct vmemu *m, kptr k)
{
	return HOST(m, cow_context, k);
}

static inline struct cow_context_tail *cow_context_tail(struct mm_struct *mm)
{
	return (struct cow_context_tail *)(mm + 1);
}

/* With page_table_lock: prune may put another in its place. */
static inline struct cow_context *cow_context_of(struct vmemu *m,
						 struct mm_struct *mm)
{
	return cow_context_at(m, cow_context_tail(mm)->context);
}

static inline struct cow_context *cow_context_root(struct vmemu *m,
						   const struct cow_context *c)
{
	return cow_context_at(m, c->root);
}

static inline struct cow_remap *cow_remap_at(struct vmemu *m, kptr k)
{
	return k ? HOST(m, cow_remap, k) : NULL;
}

#define for_each_remap(m, first, node, e)                                      \
	for (node = cow_remap_at(m, first); node;                              \
	     node = cow_remap_at(m, (node)->next))                             \
		for (e = (node)->entry; e < (node)->entry + (node)->nr; e++)

void cow_remap_free(struct vmemu *, kptr first);
/* By how many pages the index in this context is less than the page number. */
klong cow_remap_offset(struct vmemu *, const struct cow_context *, kulong page);
/* fork: the child's map gets what its parent's has for this vma.  0, or -1 = no
 * memory. */
int cow_remap_dup(struct vmemu *, struct vm_area_struct *new,
		  struct vm_area_struct *old);

#endif
