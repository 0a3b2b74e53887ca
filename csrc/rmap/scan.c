/*
 * rmap/scan.c - no reverse map at all, and yet it swaps: the virtual scan of 2.4.
 *
 * Linux up to 2.4 and to 2.5.26, as 2.4.27 had it.  Nothing leads from a page to its
 * ptes.  swap_out() goes through page tables instead, mm after mm, and detaches one
 * pte after another; the page can be freed when the sweeps happen to have met all.
 *
 * Costs a cursor for each mm, and nothing for a page or an area: fork, mremap and the
 * like have nothing to do.  Reclaim pays: the work goes with the size of all address
 * spaces, not with the pages wanted; nobody can ask for one page; what is detached
 * and used again before it is freed comes back by a fault.
 *
 * The sweep holds the page_table_lock of the mm it is in, and no mmap_sem.  swap_mm,
 * the mm that is being swept, is 0 or one that has had pages and has not come to
 * mm_exit(): rmap_data.lock, 2.4's mmlist_lock, guards it.  2.4 pinned the mm by
 * mm_users; here mm_exit() waits for page_table_lock, and the sweep takes that
 * while it holds mmlist_lock: by a trylock, which the order of locks allows there.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

struct sweep {
	struct page *wanted; /* NULL: any */
	uint32_t left;     /* of any, so many are to lose their last pte yet */
	uint32_t detached; /* ptes */
	kptr judged; /* mutation b: the area whose flags were read early */
	bool judged_kept;
};

static struct scan_tail *tail(struct mm_struct *mm)
{
	return (struct scan_tail *)(mm + 1);
}

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	(void)m, (void)page, (void)vma, (void)address, (void)how;
	return 0;
}

/* ---- whose turn it is --------------------------------------------------------- */

/* The next mm on mmlist that has pages, mm itself if there is no other; or NULL. */
static struct mm_struct *next_mm(struct vmemu *m, struct mm_struct *mm)
{
	kptr head = kaddr(m, &m->k->mmlist);
	kptr first = mm ? kaddr(m, &mm->mmlist) : head, k = first;

	touch(m, STEP_read, &m->k->mmlist);
	do {
		k = HOST(m, list_head, k)->next;
		if (k != head && has_pages(m, ENTRY(m, k, mm_struct, mmlist)))
			return ENTRY(m, k, mm_struct, mmlist);
	} while (k != first);
	return NULL;
}

static void lock_mmlist(struct vmemu *m)
{
	spin_lock(m, LOCK_rmap, &m->k->rmap.lock);
}

static void unlock_mmlist(struct vmemu *m)
{
	spin_unlock(m, LOCK_rmap, &m->k->rmap.lock);
}

/* swap_mm's turn is over; mmlist_lock is held. */
static void pass_on(struct vmemu *m, struct mm_struct *mm)
{
	struct mm_struct *next = next_mm(m, mm);

	owned(m, swap_mm, &m->k->rmap);
	touch(m, STEP_write, &m->k->rmap.cursor);
	m->k->rmap.cursor = next ? kaddr(m, next) : 0;
}

/* The mm has no pages any more: nobody begins with it, and who is in it leaves. */
static void mm_exit(struct vmemu *m, struct mm_struct *mm)
{
	lock_mmlist(m);
	BUG_ON(m, mm->rss != 0);
	touch(m, STEP_read, &m->k->rmap.cursor);
	if (m->k->rmap.cursor == kaddr(m, mm))
		pass_on(m, mm);
	unlock_mmlist(m);
	ptl_lock(m, mm);
	ptl_unlock(m, mm);
}

static uint32_t count_mms(struct vmemu *m)
{
	kptr head = kaddr(m, &m->k->mmlist), k;
	uint32_t n = 0;

	for (k = m->k->mmlist.next; k != head; k = HOST(m, list_head, k)->next)
		n += has_pages(m, ENTRY(m, k, mm_struct, mmlist));
	return n;
}

/* Reads vm_flags, which mmap_sem guards, under page_table_lock alone. */
static bool is_kept(struct vmemu *m, const struct vm_area_struct *vma)
{
	step(m, STEP_read, &vma->vm_flags);
	return vma->vm_flags & (VM_LOCKED | VM_RESERVED);
}

/* Mutation b: the flags of the area at the cursor, read before page_table_lock. */
static void judge_early(struct vmemu *m, struct sweep *s, struct mm_struct *mm)
{
	struct vm_area_struct *vma =
		find_vma_prev(m, mm, tail(mm)->swap_address, NULL);

	if (!vma)
		return;
	s->judged = kaddr(m, vma);
	s->judged_kept = is_kept(m, vma);
}

static bool is_judged_kept(struct vmemu *m, struct sweep *s,
			   const struct vm_area_struct *vma)
{
	bool early = s->judged == kaddr(m, vma);

	s->judged = 0;
	return early ? s->judged_kept : is_kept(m, vma);
}

/* The mm whose turn it is, its page_table_lock taken; NULL: it is in use. */
static struct mm_struct *begin_mm(struct vmemu *m, struct sweep *s)
{
	struct mm_struct *mm = NULL;

	lock_mmlist(m);
	touch(m, STEP_read, &m->k->rmap.cursor);
	if (!m->k->rmap.cursor)
		pass_on(m, NULL);
	if (m->k->rmap.cursor)
		mm = HOST(m, mm_struct, m->k->rmap.cursor);
	if (mm && unlikely(m->watch.mutations & MUTATE_b))
		judge_early(m, s, mm);
	if (mm && !ptl_trylock(m, mm)) {
		pass_on(m, mm);
		mm = NULL;
	}
	unlock_mmlist(m);
	return mm;
}

static void end_mm(struct vmemu *m, struct mm_struct *mm, bool enough)
{
	if (!enough) {
		lock_mmlist(m);
		touch(m, STEP_read, &m->k->rmap.cursor);
		if (m->k->rmap.cursor == kaddr(m, mm))
			pass_on(m, mm);
		unlock_mmlist(m);
	}
	ptl_unlock(m, mm);
}

/* ---- the sweep ------------------------------------------------------------------ */

/* The page is locked.  An anonymous one gets its slot at the first of its ptes. */
static void take_pte(struct vmemu *m, struct sweep *s, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, pte_t *pte,
		     struct page *page)
{
	touch(m, STEP_read, &page->flags);
	if (page->flags & PG_anon && !(page->flags & PG_swapcache) &&
	    !add_to_swap(m, page))
		return;
	if (!rmap_detach(m, page, mm, vma, pte, address,
			 page == s->wanted ? 2 : 1))
		return;
	count(m, CNT_sweep_unmapped);
	s->detached++;
	if (s->wanted)
		m->counter[CNT_sweep_collateral] += page != s->wanted;
	else if (!page->mapcount)
		s->left--;
}

/* try_to_swap_out(): one pte; true: that is enough. */
static bool sweep_pte(struct vmemu *m, struct sweep *s, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address, pte_t *pte)
{
	struct page *page;

	if (!pte_present(*pte))
		return false;
	page = m->mem_map + pte_pfn(*pte);
	if (page->flags & PG_reserved) /* the zero page */
		return false;
	step(m, STEP_write, pte);
	if (*pte & _PAGE_ACCESSED) {
		owned(m, page_table, mm);
		*pte &= ~(pte_t)_PAGE_ACCESSED;
		flush_tlb(m);
		mark_page_accessed(m, page);
		return false;
	}
	touch(m, STEP_read, &page->flags);
	if (page != s->wanted && page->flags & PG_active)
		return false;
	if (!trylock_page(m, page))
		return false;
	take_pte(m, s, mm, vma, address, pte, page);
	unlock_page(m, page);
	return s->wanted ? !s->wanted->mapcount : !s->left;
}

static void set_cursor(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	owned(m, swap_address, mm);
	touch(m, STEP_write, tail(mm));
	tail(mm)->swap_address = address;
}

/* swap_out_vma(): from the mm's cursor on, which stays behind the last pte seen. */
static bool sweep_vma(struct vmemu *m, struct sweep *s, struct mm_struct *mm,
		      struct vm_area_struct *vma)
{
	kulong at = tail(mm)->swap_address;
	uint32_t nr, i;
	pte_t *pte;

	if (at < vma->vm_start)
		at = vma->vm_start;
	for_each_table(m, mm, at, vma->vm_end, pte, nr)
		for (i = 0; i < nr; i++) {
			kulong address = at + ((kulong)i << PAGE_SHIFT);

			count(m, CNT_sweep_ptes);
			if (!sweep_pte(m, s, mm, vma, address, pte + i))
				continue;
			set_cursor(m, mm, address + PAGE_SIZE);
			return true;
		}
	return false;
}

/* swap_out_mm(): to the mm's end; true: that is enough. */
static bool sweep_mm(struct vmemu *m, struct sweep *s, struct mm_struct *mm)
{
	struct vm_area_struct *vma;

	count(m, CNT_sweep_mms);
	touch(m, STEP_read, tail(mm));
	vma = find_vma_prev(m, mm, tail(mm)->swap_address, NULL);
	for (; vma;
	     vma = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) : NULL)
		if (!is_judged_kept(m, s, vma) && sweep_vma(m, s, mm, vma))
			return true;
	set_cursor(m, mm, 0);
	return false;
}

/*
 * swap_out(): round mmlist twice, from the middle of an mm to its middle again.  The
 * first round makes young ptes old.
 */
static uint32_t sweep(struct vmemu *m, struct page *wanted)
{
	struct sweep s = { .wanted = wanted, .left = SWAP_CLUSTER_MAX };
	uint32_t visits = 2 * count_mms(m) + 1;
	bool enough = false;

	while (visits-- && !enough) {
		struct mm_struct *mm = begin_mm(m, &s);

		if (!mm)
			continue;
		enough = sweep_mm(m, &s, mm);
		end_mm(m, mm, enough);
	}
	return s.detached;
}

static bool owns_swap_mm(struct vmemu *m, const void *object)
{
	const struct rmap_data *data = object;

	return holds_lock(m, LOCK_rmap, &data->lock);
}

static bool owns_swap_address(struct vmemu *m, const void *object)
{
	const struct mm_struct *mm = object;

	return holds_lock(m, LOCK_page_table, &mm->page_table_lock);
}

const struct rmap_ops rmap_scan = {
	.name = "scan",
	.mm_tail = sizeof(struct scan_tail),
	.lock_name = "mmlist_lock",
	.rules = { { "swap_mm", "mmlist_lock", owns_swap_mm },
		   { "mm_struct.swap_address", "page_table_lock",
		     owns_swap_address } },
	.locks_vma_tree = 1,
	.mm_exit = mm_exit,
	.add_anon = add_anon,
	.sweep = sweep,
};
