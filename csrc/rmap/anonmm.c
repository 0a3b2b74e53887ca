/*
 * rmap/anonmm.c - Hugh Dickins' anonmm, as after rmap 37 (2.6.6-mm, May 2004).
 *
 * An anonymous page points at the anonmm of the mm that first mapped it, and
 * carries the user address it is mapped at.  fork keeps addresses, so the page
 * can only be at that address in an mm of the same exec bundle: a flat ring in
 * fork order, whose head was made at exec.  The page's own mm is tried first.
 *
 * Costs 24 bytes per mm (and a pointer in it), nothing per vma or page.  What
 * breaks it: mremap of a page that others map too, which has to copy; a page
 * shared only by a few members of a large bundle, which costs a probe in all.
 *
 * count: 1 for the living mm, 1 per page; a head also counts itself and each
 * member.  Protected by head->lock, as is the ring.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

static struct anonmm *anonmm_at(struct vmemu *m, kptr k)
{
	return HOST(m, anonmm, k);
}

static struct anonmm_tail *tail(struct mm_struct *mm)
{
	return (struct anonmm_tail *)(mm + 1);
}

/* exec_rmap(): the head of a new bundle. */
static int mm_init(struct vmemu *m, struct mm_struct *mm)
{
	struct anonmm *a = kmem_cache_alloc(m, CACHE_anonmm, GFP_KERNEL);

	if (!a)
		return -1;
	a->count = 2;
	a->mm = kaddr(m, mm);
	a->head = kaddr(m, a);
	list_init(m, &a->list);
	tail(mm)->anonmm = kaddr(m, a);
	return 0;
}

/* dup_rmap(): the child's anonmm joins the ring at its tail. */
static int mm_dup(struct vmemu *m, struct mm_struct *child,
		  struct mm_struct *parent)
{
	struct anonmm *a = kmem_cache_alloc(m, CACHE_anonmm, GFP_KERNEL);
	struct anonmm *head;

	if (!a)
		return -1;
	head = anonmm_at(m, anonmm_at(m, tail(parent)->anonmm)->head);
	a->count = 1;
	a->mm = kaddr(m, child);
	a->head = kaddr(m, head);
	spin_lock(m, LOCK_rmap, &head->lock);
	owned(m, anonmm_ring, head);
	list_add_tail(m, &a->list, &head->list);
	head->count++;
	spin_unlock(m, LOCK_rmap, &head->lock);
	tail(child)->anonmm = kaddr(m, a);
	return 0;
}

/*
 * Drops counts and frees what nobody needs any more.  Counts are judged
 * under the lock: two last users may come at once.
 */
static void anonmm_put(struct vmemu *m, struct anonmm *a, int32_t counts)
{
	struct anonmm *head = anonmm_at(m, a->head);
	bool last_member, last;

	spin_lock(m, LOCK_rmap, &head->lock);
	BUG_ON(m, a->count < counts + (a == head));
	a->count -= counts;
	last_member = a != head && a->count == 0;
	if (last_member) {
		BUG_ON(m, a->mm != 0);
		owned(m, anonmm_ring, head);
		list_del(m, &a->list);
		head->count--;
	}
	last = head->count == 1;
	spin_unlock(m, LOCK_rmap, &head->lock);
	if (last_member)
		kmem_cache_free(m, CACHE_anonmm, a);
	if (last) {
		BUG_ON(m, head->mm != 0 || !list_empty(m, &head->list));
		kmem_cache_free(m, CACHE_anonmm, head);
	}
}

/* exit_rmap(): the anonmm lives on while pages point at it. */
static void mm_exit(struct vmemu *m, struct mm_struct *mm)
{
	struct anonmm *a = anonmm_at(m, tail(mm)->anonmm);
	struct anonmm *head = anonmm_at(m, a->head);

	spin_lock(m, LOCK_rmap, &head->lock);
	owned(m, anonmm_ring, head);
	tail(mm)->anonmm = 0;
	a->mm = 0;
	spin_unlock(m, LOCK_rmap, &head->lock);
	anonmm_put(m, a, 1);
}

/* The mm's object is enough. */
static int prepared(struct vmemu *m, struct vm_area_struct *vma)
{
	shared(m, STEP_read, tail(HOST(m, mm_struct, vma->vm_mm)));
	return 1;
}

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	kptr mapping = tail(HOST(m, mm_struct, vma->vm_mm))->anonmm;
	struct anonmm *a = anonmm_at(m, mapping);

	if (how == ADD_AGAIN) {
		touch(m, STEP_read, &page->mapcount);
		if (page->index != address)
			return -1;
		BUG_ON(m, anonmm_at(m, page->mapping)->head != a->head);
		return 0;
	}
	page->mapping = mapping;
	page->index = address;
	touch(m, STEP_add, &a->count);
	a->count++;
	return 0;
}

/*
 * An atomic decrement, unless it might free: then under the lock.  That cannot
 * be while walk() unmaps under the lock, since it counts itself too.
 */
static void put_anon(struct vmemu *m, kptr mapping, int32_t pages)
{
	struct anonmm *a = anonmm_at(m, mapping);

	touch(m, STEP_write, &a->count);
	if (a->count - pages > (mapping == a->head))
		a->count -= pages;
	else
		anonmm_put(m, a, pages);
}

/*
 * An exclusive page takes its new address along; another must be copied first,
 * so here it ends.  See mm/zap.c on the two compilations.
 */
static ALWAYS_INLINE uint32_t rewrite_index(struct vmemu *m, const pte_t *pte,
					    uint32_t nr, kulong address,
					    const bool watched)
{
	struct page *mem_map = m->mem_map;
	uint32_t i, rewritten = 0;

	for (i = 0; i < nr; i++, address += PAGE_SIZE) {
		struct page *page = mem_map + pte_pfn(pte[i]);
		bool alone;

		if (!pte_present(pte[i]) || !(page->flags & PG_anon))
			continue;
		if (watched)
			page_map_lock(m, page);
		alone = page->mapcount == 1;
		if (alone) {
			if (watched) {
				owned(m, mapcount, page);
				/* and index */
				touch(m, STEP_write, &page->mapcount);
			}
			page->index = address;
			rewritten++;
		}
		if (watched)
			page_map_unlock(m, page);
		if (!alone)
			break;
	}
	m->counter[CNT_rmap_index_rewrites] += rewritten;
	if (!watched)
		m->locks.stat[LOCK_page_map].acquired += rewritten + (i < nr);
	return i;
}

static uint32_t move_anon(struct vmemu *m, const pte_t *pte, const pte_t *to,
			  uint32_t nr, struct vm_area_struct *vma,
			  kulong address)
{
	(void)to, (void)vma;
	return m->watch.bits ? rewrite_index(m, pte, nr, address, true) :
			       rewrite_index(m, pte, nr, address, false);
}

/* The mm if it lives and has pages, or NULL: a cheap rejection. */
static struct mm_struct *candidate(struct vmemu *m, const struct anonmm *a,
				   const struct rmap_search *search)
{
	struct mm_struct *mm = a->mm ? HOST(m, mm_struct, a->mm) : NULL;

	if (!mm)
		rmap_reject(m, search, TRIED_DEAD, 0, 0);
	return mm && rmap_lives(m, search, mm) ? mm : NULL;
}

static struct anonmm *next_in_ring(struct vmemu *m, struct anonmm *a)
{
	return ENTRY(m, a->list.next, anonmm, list);
}

/* From the page's own mm on; the first that has it, or NULL. */
static struct anonmm *walk_ring(struct vmemu *m, struct page *page,
				struct anonmm *own, struct rmap_search *search)
{
	struct anonmm *a = own, *found = NULL;
	bool more = true;

	do {
		struct mm_struct *mm = candidate(m, a, search);

		if (mm) {
			more = rmap_try(m, page, search, mm, NULL, page->index);
			if (search->found && !found)
				found = a;
		}
		a = next_in_ring(m, a);
	} while (more && a != own);
	return found;
}

/*
 * page_referenced gives a page of an extinct mm to a living one, so that the dead
 * anonmm drains, if it has found all ptes.
 */
static bool migrates(const struct anonmm *own, const struct anonmm *found,
		     const struct rmap_search *search)
{
	return search->walk == WALK_REFERENCED && !own->mm && !search->left &&
	       found && !search->asked;
}

static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	struct anonmm *own = anonmm_at(m, page->mapping);
	struct anonmm *head = anonmm_at(m, own->head), *found;
	bool dropped = search->walk == WALK_UNMAP;

	spin_lock(m, LOCK_rmap, &head->lock);
	if (dropped) /* the last pte's going must not free it under the lock */
		own->count++;
	found = walk_ring(m, page, own, search);
	if (migrates(own, found, search)) {
		owned(m, mapcount, page);
		page->mapping = kaddr(m, found);
		found->count++;
		count(m, CNT_rmap_migrated);
		dropped = true;
	}
	spin_unlock(m, LOCK_rmap, &head->lock);
	if (dropped)
		anonmm_put(m, own, 1);
}

static bool owns_anonmm_ring(struct vmemu *m, const void *object)
{
	const struct anonmm *head = object;

	return holds_lock(m, LOCK_rmap, &head->lock);
}

const struct rmap_ops rmap_anonmm = {
	.name = "anonmm",
	.mm_tail = sizeof(struct anonmm_tail),
	.caches = { { "anonmm", sizeof(struct anonmm), sizeof(kptr), 0 } },
	.lock_name = "anonmm_lock", /* of a bundle's head */
	.rules = { { "anonmm.list, mm", "anonmm_lock of the head",
		     owns_anonmm_ring } },
	.locks_vma_tree = 1,
	.mm_init = mm_init,
	.mm_dup = mm_dup,
	.mm_exit = mm_exit,
	.prepared = prepared,
	.add_anon = add_anon,
	.put_anon = put_anon,
	.move_anon = move_anon,
	.walk = walk,
};
