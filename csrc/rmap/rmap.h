/* rmap/rmap.h - one pte of a page, and what schemes walk with. */
#ifndef VMEMU_RMAP_RMAP_H
#define VMEMU_RMAP_RMAP_H
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/api.h"
#include "rmap/stop.h"
#include "watch/lock.h"
#include "watch/step.h"

/* rmap/schemes.c: NULL when there is none of that name */
const struct rmap_ops *find_scheme(const char *name);

/*
 * What reclaim holds while it computes addresses of anonymous pages from a
 * vma's ends, or one of them: page_table_lock where it looks vmas up, and what
 * the scheme says.  NULL: nothing.
 */
struct range_locks {
	uint32_t *page_table, *rmap;
};

static inline struct range_locks range_locks(struct vmemu *m,
					     const struct vm_area_struct *vma,
					     const struct vm_area_struct *next)
{
	struct range_locks locks = { NULL, NULL };

	if (m->rmap->locks_vma_tree)
		locks.page_table =
			&HOST(m, mm_struct, vma->vm_mm)->page_table_lock;
	if (m->rmap->range_lock)
		locks.rmap = m->rmap->range_lock(m, vma, next);
	return locks;
}

/* Whether the scheme has the page's ptes, or what stands for them. */
static inline bool rmap_has(const struct vmemu *m, const struct page *page)
{
	return page->flags & PG_anon || unlikely(m->rmap_files);
}

/*
 * fork copies a pte of the parent's vma to the child's: candidates include the
 * child already.  watched stands for one by one, here and below.
 */
static ALWAYS_INLINE void page_dup(struct vmemu *m, struct page *page,
				   struct vm_area_struct *vma,
				   struct mm_struct *child, const pte_t *pte,
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
	if (watched && m->rmap->dup_pte && rmap_has(m, page))
		m->rmap->dup_pte(m, page, vma, child, pte);
	if (watched && page->flags & PG_anon && stop_kept(m))
		stop_forked(m, page, child);
	if (watched)
		page_map_unlock(m, page);
}

/* Before a pte of any page may be added, and after; see struct rmap_ops. */
static inline bool rmap_reserve(struct vmemu *m, int gfp)
{
	return !m->rmap->reserve || !m->rmap->reserve(m, gfp);
}

static inline void rmap_unreserve(struct vmemu *m)
{
	if (m->rmap->unreserve)
		m->rmap->unreserve(m);
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

/* One pte less, this one of mm; page_map_lock is held. */
static ALWAYS_INLINE void drop_rmap(struct vmemu *m, struct page *page,
				    struct mm_struct *mm, const pte_t *pte,
				    struct rmap_batch *batch,
				    const bool watched)
{
	if (BUG_ON(m, page->mapcount == 0))
		return;
	if (watched && m->rmap->remove_pte && rmap_has(m, page))
		m->rmap->remove_pte(m, page, mm, pte);
	if (watched && page->flags & PG_anon && stop_kept(m))
		stop_removed(m, page, mm);
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

/* rmap/rmap.c */
bool rmap_detach(struct vmemu *, struct page *, struct mm_struct *,
		 struct vm_area_struct *, pte_t *, kulong address,
		 int32_t held);
bool page_share_anon_rmap(struct vmemu *, struct page *,
			  struct vm_area_struct *, kulong address);
void page_own_anon_rmap(struct vmemu *, struct page *, struct vm_area_struct *,
			kulong address);
/* A walk by whoever can find the page: the scheme, or its file. */
void walk_page(struct vmemu *, struct page *, struct rmap_search *);
/* The same, of a search that says what there is to be found. */
void walk_for(struct vmemu *, struct page *, struct rmap_search *);

/* ---- for the schemes' walks ------------------------------------------------- */

/*
 * Walks mm's page table for the page and acts on what is found there.  vma may be
 * NULL when the scheme does not know it; it is then looked up, and only after a
 * hit.  False: that is enough.
 */
bool rmap_try(struct vmemu *, struct page *, struct rmap_search *,
	      struct mm_struct *, struct vm_area_struct *, kulong address);
/* rmap/nonlinear.c: the page is mapped where only ptes know, page_map_lock and
 * i_mmap_lock held; takes away what it comes to, as many ptes as the page has */
void sweep_nonlinear(struct vmemu *, struct page *, struct address_space *);
/* rmap/file.c: every area of its file that may map the page */
void walk_file(struct vmemu *, struct page *, struct rmap_search *);
/* rmap/check.c: somebody wants to know of each candidate. */
void rmap_note(struct vmemu *, enum rmap_verdict, kptr mm, kptr vma,
	       kulong address);
/* rmap_try() for them; the same answer. */
bool rmap_try_noted(struct vmemu *, struct page *, struct rmap_search *,
		    struct mm_struct *, struct vm_area_struct *,
		    kulong address);
/* rmap/rmap.c: the pte at address if it maps the page, or NULL. */
pte_t *page_pte(struct vmemu *, struct page *, struct mm_struct *,
		kulong address);

/* A walk is counted, by what its pages are. */
static inline void count_walk(struct vmemu *m, const struct rmap_search *search,
			      int unmap, int referenced)
{
	int id = search->walk == WALK_UNMAP ? unmap : referenced;

	if (search->file)
		id += CNT_file_unmap_probes - CNT_unmap_probes;
	count(m, id);
}

/* A candidate that needs no look: a cmp.  kptrs 0: there is none any more; address
 * 0: none was computed. */
static inline void rmap_reject_at(struct vmemu *m,
				  const struct rmap_search *search,
				  enum rmap_verdict why, kptr mm, kptr vma,
				  kulong address)
{
	count_walk(m, search, CNT_unmap_cmp, CNT_referenced_cmp);
	if (unlikely(m->check.finding))
		rmap_note(m, why, mm, vma, address);
}

/* The same where no address has been computed. */
static inline void rmap_reject(struct vmemu *m,
			       const struct rmap_search *search,
			       enum rmap_verdict why, kptr mm, kptr vma)
{
	rmap_reject_at(m, search, why, mm, vma, 0);
}

/* Whether mm has pages; a cmp if it has none. */
static inline bool rmap_lives(struct vmemu *m, const struct rmap_search *search,
			      struct mm_struct *mm)
{
	if (has_pages(m, mm))
		return true;
	rmap_reject(m, search, TRIED_EMPTY, kaddr(m, mm), 0);
	return false;
}

/* Whether the page, at its linear offset, may be in the vma, and where; a cmp if
 * it cannot be. */
static inline bool rmap_in_vma(struct vmemu *m, const struct page *page,
			       const struct rmap_search *search,
			       const struct vm_area_struct *vma,
			       kulong *address)
{
	enum rmap_verdict why = has_pages(m, HOST(m, mm_struct, vma->vm_mm)) ?
					TRIED_RANGE :
					TRIED_EMPTY;

	if (why == TRIED_RANGE && vma_address(vma, page->index, address))
		return true;
	rmap_reject(m, search, why, vma->vm_mm, kaddr(m, vma));
	return false;
}

/* rmap/check.c */
void stamp_anon(
	struct vmemu *, const struct vm_area_struct *,
	const struct vm_area_struct *in_place_of); /* NULL: at the front */
void stamp_file(struct vmemu *, const struct vm_area_struct *);

#endif
