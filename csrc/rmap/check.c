/*
 * rmap/check.c - for machine.check(): does a walk reach every pte it should,
 * and do lists stand in the order in which they were made?
 *
 * The walks are the schemes' own.  While m->check.finding is set, rmap_try()
 * notes where it is sent and touches nothing.
 */
#include "core/core.h"
#include "rmap/rmap.h"

#include <stdlib.h>

void rmap_note(struct vmemu *m, enum rmap_verdict verdict, kptr mm, kptr vma,
	       kulong address)
{
	const struct rmap_finding *finding = m->check.finding;
	uint32_t i;

	(void)vma;
	for (i = 0; verdict >= TRIED_PTE && i < finding->n; i++)
		if (finding->where[i].mm == mm &&
		    finding->where[i].address == address)
			finding->reached[i] = 1;
}

/* Walks for the page; the first of the places that is not reached, or n. */
static uint32_t find_all(struct vmemu *m, struct page *page, int unmap,
			 struct rmap_finding *finding)
{
	struct rmap_search search = {
		.walk = unmap ? WALK_UNMAP : WALK_REFERENCED,
		.exact = true,
		.all = page->mapcount,
		.mapped = page->mapcount,
		.left = page->mapcount,
		.ret = SWAP_AGAIN,
	};
	uint32_t i;

	memset(finding->reached, 0, finding->n);
	m->check.finding = finding;
	(page->flags & PG_anon ? m->rmap->walk : walk_file)(m, page, &search);
	m->check.finding = NULL;
	for (i = 0; i < finding->n && finding->reached[i]; i++)
		;
	return i;
}

uint32_t rmap_missing(struct vmemu *m, const struct candidate *where,
		      const uint32_t *pfn, uint32_t n, int unmap)
{
	struct vmemu before = *m;
	struct rmap_finding finding = { .reached = malloc(n ? n : 1) };
	uint32_t first, last, i, missing = n;

	if (!finding.reached) {
		BUG(m, "no host memory to ask the walks");
		return n;
	}
	m->watch.bits = 0;
	for (first = 0; first < n && missing == n; first = last) {
		for (last = first; last < n && pfn[last] == pfn[first]; last++)
			;
		finding.where = where + first;
		finding.n = last - first;
		i = find_all(m, m->mem_map + pfn[first], unmap, &finding);
		if (i < finding.n)
			missing = first + i;
	}
	free(finding.reached);
	/* What the walks have counted did not happen. */
	m->watch = before.watch;
	memcpy(m->counter, before.counter, sizeof(m->counter));
	memcpy(m->locks.stat, before.locks.stat, sizeof(m->locks.stat));
	return missing;
}

/* ---- order, origin ------------------------------------------------------------------- */

/* No two vmas begin in the same 64 bytes: each has a place here. */
static struct list_stamps *stamps_of(struct vmemu *m,
				     const struct vm_area_struct *vma)
{
	return &m->check.stamps[((const uint8_t *)vma - m->ram) / 64];
}

void stamp_anon(struct vmemu *m, const struct vm_area_struct *vma,
		const struct vm_area_struct *in_place_of)
{
	stamps_of(m, vma)->anon = in_place_of ?
					  stamps_of(m, in_place_of)->anon :
					  ++m->check.next_stamp;
}

void stamp_file(struct vmemu *m, const struct vm_area_struct *vma)
{
	stamps_of(m, vma)->file = ++m->check.next_stamp;
}

void vma_came_from(struct vmemu *m, const struct vm_area_struct *vma,
		   enum vma_came how, kulong from)
{
	struct list_stamps *stamps = stamps_of(m, vma);

	stamps->came = how;
	stamps->from = from;
}

struct list_stamps list_stamps(struct vmemu *m,
			       const struct vm_area_struct *vma)
{
	return *stamps_of(m, vma);
}
