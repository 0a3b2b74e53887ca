/*
 * rmap/check.c - for machine.check(): does a walk reach every pte it should,
 * and do lists stand in the order in which they were made?  And for vmemu who:
 * how does a walk find them?
 *
 * The walks are the schemes' own.  While m->check.finding is set, rmap_try()
 * notes where it is sent and touches nothing.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "mm/walk.h"
#include "rmap/rmap.h"

#include <stdlib.h>

static uint32_t all_probes(const struct vmemu *m)
{
	return (uint32_t)(m->counter[CNT_unmap_probes] +
			  m->counter[CNT_referenced_probes] +
			  m->counter[CNT_file_unmap_probes] +
			  m->counter[CNT_file_referenced_probes]);
}

static uint32_t all_cmps(const struct vmemu *m)
{
	return (uint32_t)(m->counter[CNT_unmap_cmp] +
			  m->counter[CNT_referenced_cmp] +
			  m->counter[CNT_file_unmap_cmp] +
			  m->counter[CNT_file_referenced_cmp]);
}

/* One more candidate, with what has been counted since the last one. */
static void log_tried(struct vmemu *m, struct rmap_log *log,
		      struct rmap_tried tried)
{
	uint32_t probes = all_probes(m), cmps = all_cmps(m);

	tried.probes = probes - log->probes;
	tried.cmps = cmps - log->cmps;
	log->probes = probes;
	log->cmps = cmps;
	if (log->nr < log->room)
		log->tried[log->nr] = tried;
	log->nr++;
}

void rmap_note(struct vmemu *m, enum rmap_verdict verdict, kptr mm, kptr vma,
	       kulong address)
{
	const struct rmap_finding *finding = m->check.finding;
	uint32_t i;

	if (finding->log) {
		log_tried(m, finding->log,
			  (struct rmap_tried){ .mm = mm,
					       .vma = vma,
					       .address = address,
					       .verdict = verdict });
		return;
	}
	for (i = 0; verdict >= TRIED_PTE && i < finding->n; i++)
		if (finding->where[i].mm == mm &&
		    finding->where[i].address == address)
			finding->reached[i] = 1;
}

/* What page_referenced() or try_to_unmap() would do about the pte it has found. */
static enum rmap_outcome outcome_of(struct vmemu *m, const struct page *page,
				    const struct rmap_search *search,
				    struct mm_struct *mm,
				    const struct vm_area_struct *vma,
				    kulong address, pte_t pte)
{
	uint32_t others = page->flags & PG_swapcache ? 1 : 0;

	if (search->walk == WALK_REFERENCED)
		return pte & _PAGE_ACCESSED ? OUTCOME_young : OUTCOME_old;
	if (!vma)
		vma = find_vma_prev(m, mm, address, NULL);
	if (vma && vma->vm_flags & (VM_LOCKED | VM_RESERVED))
		return OUTCOME_locked;
	/* Each pte holds a reference, and so does a cache. */
	if (page->flags & PG_anon &&
	    page->_count > (int32_t)(page->mapcount + others))
		return OUTCOME_held;
	return OUTCOME_gone;
}

/* Goes on where the walk would, and stops where it would. */
static bool try_logged(struct vmemu *m, struct page *page,
		       struct rmap_search *search, struct mm_struct *mm,
		       struct vm_area_struct *vma, kulong address)
{
	struct rmap_tried tried = { .mm = kaddr(m, mm),
				    .vma = vma ? kaddr(m, vma) : 0,
				    .address = address,
				    .verdict = TRIED_BUSY };
	pte_t *pte = page_pte(m, page, mm, address);

	search->ret = SWAP_AGAIN;
	if (!(mm->page_table_lock & 1)) {
		tried.verdict = pte ? TRIED_MATCH : TRIED_PTE;
		if (pte)
			tried.outcome = outcome_of(m, page, search, mm, vma,
						   address, *pte);
	}
	if (tried.outcome) {
		search->found++;
		search->young += tried.outcome == OUTCOME_young;
		if (tried.outcome < OUTCOME_locked)
			search->left--;
		else
			search->ret = SWAP_FAIL;
	}
	log_tried(m, m->check.finding->log, tried);
	return search->left && search->ret != SWAP_FAIL;
}

bool rmap_try_noted(struct vmemu *m, struct page *page,
		    struct rmap_search *search, struct mm_struct *mm,
		    struct vm_area_struct *vma, kulong address)
{
	if (m->check.finding->log)
		return try_logged(m, page, search, mm, vma, address);
	rmap_note(m, TRIED_MATCH, kaddr(m, mm), vma ? kaddr(m, vma) : 0,
		  address);
	return true;
}

/* What walks that were only asked have counted did not happen. */
static void uncount(struct vmemu *m, const struct vmemu *before)
{
	m->watch = before->watch;
	memcpy(m->counter, before->counter, sizeof(m->counter));
	memcpy(m->locks.stat, before->locks.stat, sizeof(m->locks.stat));
}

void rmap_ask(struct vmemu *m, struct page *page, int unmap,
	      struct rmap_log *log)
{
	struct vmemu before = *m;
	struct rmap_finding finding = { .log = log };
	struct rmap_search search = { .walk = unmap ? WALK_UNMAP :
						      WALK_REFERENCED,
				      .asked = 1 };
	int i;

	log->nr = 0;
	log->probes = all_probes(m);
	log->cmps = all_cmps(m);
	m->watch.bits = 0;
	m->check.finding = &finding;
	if (page->mapcount)
		walk_page(m, page, &search);
	m->check.finding = NULL;
	log->found = search.found;
	log->young = (uint32_t)search.young;
	/* What counts is what has gone, whatever a rule says there is. */
	log->ret = search.all - search.left == page->mapcount ? SWAP_SUCCESS :
								search.ret;
	for (i = 0; i < NR_COUNTERS; i++)
		log->counted[i] = m->counter[i] - before.counter[i];
	uncount(m, &before);
}

/* Walks for the page; the first of the places that is not reached, or n. */
static uint32_t find_all(struct vmemu *m, struct page *page, int unmap,
			 struct rmap_finding *finding)
{
	struct rmap_search search = {
		.walk = unmap ? WALK_UNMAP : WALK_REFERENCED,
		.exact = true,
		.file = !(page->flags & PG_anon),
		.all = page->mapcount,
		.mapped = page->mapcount,
		.left = page->mapcount,
		.ret = SWAP_AGAIN,
		.asked = 1,
	};
	uint32_t i;

	memset(finding->reached, 0, finding->n);
	m->check.finding = finding;
	walk_for(m, page, &search);
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
	uncount(m, &before);
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
