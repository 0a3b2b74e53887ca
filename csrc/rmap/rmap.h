/* rmap/rmap.h - one pte of a page, and what schemes walk with. */
#ifndef VMEMU_RMAP_RMAP_H
#define VMEMU_RMAP_RMAP_H
#include "core/core.h"
#include "rmap/api.h"
#include "watch/lock.h"
#include "watch/step.h"

/* rmap/schemes.c: NULL when there is none of that name */
const struct rmap_ops *find_scheme(const char *name);

/*
 * What reclaim holds while it computes addresses of anonymous pages from a
 * vma's ends: page_table_lock where it looks vmas up, else what the scheme says.
 * NULL: nothing.
 */
static inline uint32_t *range_lock(struct vmemu *m,
				   const struct vm_area_struct *vma,
				   const struct vm_area_struct *next,
				   enum lock_class *class)
{
	if (m->rmap->locks_vma_tree) {
		*class = LOCK_page_table;
		return &HOST(m, mm_struct, vma->vm_mm)->page_table_lock;
	}
	*class = LOCK_rmap;
	return m->rmap->range_lock(m, vma, next);
}

/* fork copies a pte: candidates include the child already. */
static ALWAYS_INLINE void page_dup(struct vmemu *m, struct page *page,
				   const bool watched)
{
	if (watched) {
		touch(m, STEP_add, &page->_count);
		page_map_lock(m, page);
		owned(m, mapcount, page);
		touch(m, STEP_write, &page->mapcount);
	}
	page->_count++;
	BUG_ON(m, !page->mapcount++);
	if (watched)
		page_map_unlock(m, page);
}

/*
 * Pages that lose a pte: what the machine and the scheme are told of those whose
 * last one it was waits until the batch ends or comes to another object.
 */
struct rmap_batch {
	uint32_t unmapped; /* pages whose last pte it was */
	int32_t orphans;   /* of these, so many pointed at mapping */
	kptr mapping;
};

/* rmap/rmap.c */
void put_orphans(struct vmemu *, struct rmap_batch *);

/* One pte less; page_map_lock is held. */
static ALWAYS_INLINE void drop_rmap(struct vmemu *m, struct page *page,
				    struct rmap_batch *batch,
				    const bool watched)
{
	if (BUG_ON(m, page->mapcount == 0))
		return;
	if (watched) {
		owned(m, mapcount, page);
		touch(m, STEP_write, &page->mapcount);
	}
	if (--page->mapcount)
		return;
	batch->unmapped++;
	if (!(page->flags & PG_anon))
		return;
	if (page->mapping != batch->mapping) {
		put_orphans(m, batch);
		batch->mapping = page->mapping;
	}
	batch->orphans++;
	if (m->rmap->remove_anon)
		m->rmap->remove_anon(m, page);
	page->flags &= ~(kulong)PG_anon;
	page->mapping = 0;
	if (watched)
		put_orphans(m, batch);
}

static inline void finish_rmap_batch(struct vmemu *m, struct rmap_batch *batch)
{
	put_orphans(m, batch);
	m->pages.nr_mapped -= batch->unmapped;
	batch->unmapped = 0;
}

/* rmap/rmap.c, for the schemes' walkers */
enum rmap_walk { WALK_REFERENCED, WALK_UNMAP };
int walk_file(struct vmemu *, struct page *, enum rmap_walk);
bool page_share_anon_rmap(struct vmemu *, struct page *,
			  struct vm_area_struct *, kulong address);
int page_referenced_one(struct vmemu *, struct page *, struct mm_struct *,
			kulong address, uint32_t *mapcount);
int try_to_unmap_one(struct vmemu *, struct page *, struct mm_struct *,
		     struct vm_area_struct *, kulong address);

/* rmap/check.c */
void rmap_found(struct vmemu *, const struct mm_struct *, kulong address);
void stamp_anon(
	struct vmemu *, const struct vm_area_struct *,
	const struct vm_area_struct *in_place_of); /* NULL: at the front */
void stamp_file(struct vmemu *, const struct vm_area_struct *);

#endif
