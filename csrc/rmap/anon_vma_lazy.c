/*
 * rmap/anon_vma_lazy.c - anon_vma_chain put off until fork needs it (wangtao's
 * ANON_VMA_LAZY, 15 patches of May 2026, not taken).
 *
 * A page that an area gets leads to the area's mm, with its linear offset: nobody
 * else can have it before a fork.  fork gives each area that was written to what
 * anon_vma_chain would have given it at the first write, and its pages are pointed
 * there as fork copies their ptes.  The child is chained to its ancestors'
 * anon_vmas only: what it writes leads to its mm again, until it forks itself.
 *
 * Costs nothing but the 12 bytes in each vma until a fork; then, in the parent, 16
 * and 24 for each written area, and 24 for each of its links in the child.  What
 * breaks it: a mm with many areas some of which were moved, or are of files: where
 * the offset is not the address all of the mm's areas are looked at; and fork,
 * which re-points pages one by one.
 *
 * A lazy page needs no object of its area, so splits and merges need nothing for
 * it: it is found if some written area of its mm has its offset and address.  It
 * is one process' alone, and becomes another's by fork only: by its pte, which
 * re-points it; or by its entry in swap, when it has no mapping, and an area with
 * a chain, as both have then, takes it back as its root's.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/avc.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

static struct avc_tail *tail(const struct vm_area_struct *vma)
{
	return (struct avc_tail *)(vma + 1);
}

kptr lazy_own(const struct vm_area_struct *vma)
{
	return tail(vma)->anon_vma == LAZY ? 0 : tail(vma)->anon_vma;
}

int lazy_has_anon(struct vmemu *m, const struct vm_area_struct *vma)
{
	return tail(vma)->anon_vma || avc_first(m, vma);
}

static void set_own(struct vmemu *m, struct vm_area_struct *vma, kptr own)
{
	owned(m, avc_chain, vma);
	touch(m, STEP_write, &tail(vma)->anon_vma);
	tail(vma)->anon_vma = own;
}

/* ---- splits and merges -------------------------------------------------------- */

/* It has the anon_vma that it was given itself, and no ancestor's. */
static bool is_alone(struct vmemu *m, const struct vm_area_struct *vma)
{
	return lazy_own(vma) && avc_singular(m, vma);
}

static bool same_chain(struct vmemu *m, const struct vm_area_struct *a,
		       const struct vm_area_struct *b)
{
	kptr x = tail(a)->chain.next, y = tail(b)->chain.next;

	while (x != kaddr(m, &tail(a)->chain) &&
	       y != kaddr(m, &tail(b)->chain)) {
		if (ENTRY(m, x, anon_vma_chain, same_vma)->anon_vma !=
		    ENTRY(m, y, anon_vma_chain, same_vma)->anon_vma)
			return false;
		x = HOST(m, list_head, x)->next;
		y = HOST(m, list_head, y)->next;
	}
	return x == kaddr(m, &tail(a)->chain) && y == kaddr(m, &tail(b)->chain);
}

/* What is chained is as strict as anon_vma_chain; the rest may always. */
int lazy_can_merge(struct vmemu *m, const struct vm_area_struct *vma,
		   const struct vm_area_struct *other)
{
	bool mine = avc_first(m, vma), its = other && avc_first(m, other);

	if (mine && its)
		return lazy_own(vma) == lazy_own(other) &&
		       same_chain(m, vma, other);
	return mine == its || is_alone(m, mine ? vma : other);
}

int lazy_clone(struct vmemu *m, struct vm_area_struct *new,
	       const struct vm_area_struct *old)
{
	if (avc_clone(m, new, old))
		return -1;
	set_own(m, new, tail(old)->anon_vma);
	return 0;
}

int lazy_absorb(struct vmemu *m, struct vm_area_struct *into,
		const struct vm_area_struct *other)
{
	if (!avc_first(m, into) && avc_first(m, other))
		return lazy_clone(m, into, other);
	if (tail(other)->anon_vma && !tail(into)->anon_vma)
		set_own(m, into, LAZY);
	return 0;
}

/* ---- fork --------------------------------------------------------------------- */

static bool continues(const struct vm_area_struct *low,
		      const struct vm_area_struct *high)
{
	return low->vm_end == high->vm_start &&
	       !((low->vm_flags ^ high->vm_flags) &
		 ~(kulong)(VM_READ | VM_WRITE | VM_EXEC)) &&
	       low->vm_file == high->vm_file &&
	       vma_pgoff(low, low->vm_end) == high->vm_pgoff;
}

/*
 * A neighbour that mprotect alone could merge with vma, the upper one first, if
 * its anon_vma will do for both: else they would be apart for ever.
 */
static const struct vm_area_struct *neighbour(struct vmemu *m,
					      const struct vm_area_struct *vma)
{
	struct vm_area_struct *prev, *next = NULL;

	find_vma_prev(m, HOST(m, mm_struct, vma->vm_mm), vma->vm_start, &prev);
	if (vma->vm_next)
		next = HOST(m, vm_area_struct, vma->vm_next);
	if (next && continues(vma, next) && is_alone(m, next))
		return next;
	return prev && continues(prev, vma) && is_alone(m, prev) ? prev : NULL;
}

/* A written area gets an anon_vma for the pages it has alone by now. */
static int give_own(struct vmemu *m, struct vm_area_struct *vma)
{
	kptr first = avc_first(m, vma);
	const struct vm_area_struct *other = first ? NULL : neighbour(m, vma);

	return other ? avc_clone(m, vma, other) : avc_add_own(m, vma, first);
}

/* If fork fails later, old keeps its anon_vma, and some of its pages are lazy. */
static int vma_dup(struct vmemu *m, struct vm_area_struct *new,
		   struct vm_area_struct *old)
{
	if (tail(old)->anon_vma == LAZY && give_own(m, old))
		return -1;
	if (avc_clone(m, new, old))
		return -1;
	set_own(m, new, 0);
	return 0;
}

static bool is_lazy(const struct page *page)
{
	return page->mapping & LAZY;
}

static void set_mapping(struct vmemu *m, struct page *page, kptr mapping)
{
	owned(m, mapcount, page);
	touch(m, STEP_write, &page->mapcount); /* and mapping */
	page->mapping = mapping;
}

static void dup_pte(struct vmemu *m, struct page *page,
		    struct vm_area_struct *parents, struct mm_struct *child,
		    const pte_t *pte)
{
	kptr own = lazy_own(parents);

	(void)child, (void)pte;
	if (!is_lazy(page) || BUG_ON(m, !own))
		return;
	set_mapping(m, page, own);
	count(m, CNT_rmap_repointed);
}

/* ---- pages -------------------------------------------------------------------- */

static int prepared(struct vmemu *m, struct vm_area_struct *vma)
{
	shared(m, STEP_read, &tail(vma)->anon_vma);
	return tail(vma)->anon_vma != 0;
}

/* The first write; two threads write the same. */
void lazy_prepare(struct vmemu *m, struct vm_area_struct *vma)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);

	ptl_lock(m, mm);
	touch(m, STEP_read, &tail(vma)->anon_vma);
	if (!tail(vma)->anon_vma)
		set_own(m, vma, LAZY);
	ptl_unlock(m, mm);
}

static kptr root_of(struct vmemu *m, kptr anon_vma)
{
	return HOST(m, avc_anon_vma, anon_vma)->root;
}

/* Where a page that vma alone has belongs. */
static kptr own_mapping(const struct vm_area_struct *vma)
{
	kptr own = lazy_own(vma);

	return own ? own : vma->vm_mm | LAZY;
}

/*
 * Anybody of the family may have the entry of a page from swap, if there is a
 * family; see anon_vma_chain.
 */
static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	kptr first = how == ADD_NEW ? 0 : avc_first(m, vma);
	kulong index = vma_pgoff(vma, address);

	if (how == ADD_AGAIN) {
		BUG_ON(m,
		       is_lazy(page) || !first ||
			       root_of(m, page->mapping) != root_of(m, first));
		BUG_ON(m, page->index != index);
		return 0;
	}
	BUG_ON(m, !first && !tail(vma)->anon_vma);
	page->mapping = first ? root_of(m, first) : own_mapping(vma);
	page->index = index;
	return 0;
}

static void own_anon(struct vmemu *m, struct page *page,
		     struct vm_area_struct *vma, kulong address)
{
	(void)address;
	if (!BUG_ON(m, !tail(vma)->anon_vma))
		set_mapping(m, page, own_mapping(vma));
}

/* ---- the walk through a mm ---------------------------------------------------- */

/* page_table_lock keeps the areas and their ends; rmap_try() wants it for itself,
 * so it is given back before.  An area that moves meanwhile is missed. */
static bool lock_areas(struct vmemu *m, const struct rmap_search *search,
		       struct mm_struct *mm)
{
	if (ptl_trylock(m, mm))
		return true;
	rmap_reject(m, search, TRIED_BUSY, kaddr(m, mm), 0);
	return false;
}

static bool is_written(struct vmemu *m, const struct vm_area_struct *vma)
{
	touch(m, STEP_read, &tail(vma)->anon_vma);
	return tail(vma)->anon_vma != 0;
}

/* Whether a written area has the page's offset where nothing was moved. */
static bool in_place(struct vmemu *m, const struct page *page,
		     const struct rmap_search *search, struct mm_struct *mm)
{
	kulong unmoved = page->index << PAGE_SHIFT, address;
	struct vm_area_struct *vma;
	bool found;

	if (!lock_areas(m, search, mm))
		return false;
	vma = find_vma_prev(m, mm, unmoved, NULL);
	found = vma && is_written(m, vma) &&
		vma_address(vma, page->index, &address) && address == unmoved;
	ptl_unlock(m, mm);
	return found;
}

/* The next written area that has it, other than there; a cmp for each that has
 * not.  *from is how far it has come. */
static bool elsewhere(struct vmemu *m, const struct page *page,
		      const struct rmap_search *search, struct mm_struct *mm,
		      kulong *from, kulong *address)
{
	struct vm_area_struct *vma;
	bool found = false;

	if (!lock_areas(m, search, mm))
		return false;
	vma = find_vma_prev(m, mm, *from, NULL);
	while (vma && !found) {
		*from = vma->vm_end;
		if (!is_written(m, vma))
			rmap_reject(m, search, TRIED_RANGE, vma->vm_mm,
				    kaddr(m, vma));
		else
			found = rmap_in_vma(m, page, search, vma, address) &&
				*address != page->index << PAGE_SHIFT;
		vma = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) :
				     NULL;
	}
	ptl_unlock(m, mm);
	return found;
}

/* Two areas may have the offset, if one was moved away: the page says which.  It
 * has one pte, whatever else ends walks. */
static void walk_mm(struct vmemu *m, struct page *page,
		    struct rmap_search *search)
{
	struct mm_struct *mm = HOST(m, mm_struct, page->mapping & ~(kptr)LAZY);
	kulong from = 0, address;

	if (in_place(m, page, search, mm) &&
	    !rmap_try(m, page, search, mm, NULL, page->index << PAGE_SHIFT))
		return;
	while (!search->found &&
	       elsewhere(m, page, search, mm, &from, &address))
		if (!rmap_try(m, page, search, mm, NULL, address))
			break;
}

static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	if (is_lazy(page))
		walk_mm(m, page, search);
	else
		avc_walk(m, page, search);
}

const struct rmap_ops rmap_anon_vma_lazy = {
	.name = "anon_vma_lazy",
	.vma_tail = sizeof(struct avc_tail),
	.caches = { { "anon_vma", sizeof(struct avc_anon_vma), sizeof(kptr),
		      1 },
		    { "anon_vma_chain", sizeof(struct anon_vma_chain),
		      sizeof(kptr), 0 } },
	.cache_size = avc_cache_size,
	.lock_name = "anon_vma_lock", /* of a family's root */
	.rules = { { "vm_area_struct.anon_vma, anon_vma_chain",
		     "page_table_lock, or mmap_sem for write", avc_owns_chain },
		   { "anon_vma.head", "anon_vma_lock of the root",
		     avc_owns_list } },
	.locks_vma_tree = 1,
	.range_lock = avc_range_lock,
	.prepared = prepared,
	.vma_dup = vma_dup,
	.vma_free = avc_unlink,
	.range_changes = avc_range_changes,
	.range_changed = avc_range_changed,
	.add_anon = add_anon,
	.own_anon = own_anon,
	.dup_pte = dup_pte,
	.walk = walk,
};
