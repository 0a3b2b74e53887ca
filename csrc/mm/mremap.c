/* mm/mremap.c - moves the ptes of a range to other addresses. */
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* The page of a pte, copied, with page_table_lock given back; NULL = no memory. */
static struct page *copy_page(struct vmemu *m, struct mm_struct *mm, pte_t pte)
{
	struct page *old = m->mem_map + pte_pfn(pte), *page = NULL;

	get_page(m, old);
	ptl_unlock(m, mm);
	if (rmap_reserve(m, GFP_KERNEL))
		page = make_private_copy(m, old);
	put_page(m, old);
	return page;
}

/*
 * The scheme cannot move a page that others map: give this mm its own copy at
 * the old address first, an early COW.  -1 = no memory.  Gives page_table_lock
 * back, and leaves what was reserved and is not needed.
 */
static int make_page_exclusive(struct vmemu *m, struct mm_struct *mm,
			       struct vm_area_struct *vma, kulong address)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	struct page *old = m->mem_map + pte_pfn(orig);
	struct page *page = copy_page(m, mm, orig);

	if (!page)
		return -1;
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) {
		ptl_unlock(m, mm);
		put_page(m, page);
		return 0;
	}
	owned(m, page_table, mm);
	page_remove_rmap(m, old, mm, slot);
	put_page(m, old);
	set_pte(m, slot,
		(orig & ~(pte_t)PAGE_MASK) |
			(pte_t)pfn_of(m, page) << PAGE_SHIFT | _PAGE_WRITTEN);
	page_add_anon_rmap(m, page, vma, address);
	lru_cache_add_active(m, page);
	ptl_unlock(m, mm);
	count(m, CNT_rmap_copies);
	return 0;
}

/* page_table_lock, and the pte as it is then. */
static void lock_pte(struct vmemu *m, struct mm_struct *mm, pte_t *slot)
{
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
}

/*
 * One pte, from a slot to an empty one, with page_table_lock.  False: its page has
 * to be made exclusive first.
 */
static bool move_pte(struct vmemu *m, struct mm_struct *mm, pte_t *src,
		     struct vm_area_struct *to, kulong address, pte_t *dst)
{
	if (!*src)
		return true;
	if (m->rmap->move_anon &&
	    !m->rmap->move_anon(m, src, dst, 1, to, address))
		return false;
	BUG_ON(m, *dst != 0);
	owned(m, page_table, mm);
	set_pte(m, dst, *src);
	set_pte(m, src, 0);
	count(m, CNT_mremap_ptes);
	return true;
}

/*
 * So many ptes, to another place, which is empty; returns how many are not empty.
 * Without a branch in it the loop is compiled to take several at a time.
 */
static uint32_t move_all(struct vmemu *m, pte_t *restrict src,
			 pte_t *restrict dst, uint32_t nr)
{
	pte_t taken = 0, moved = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		taken |= dst[i];
		moved += src[i] != 0;
	}
	memcpy(dst, src, nr * sizeof(*src));
	memset(src, 0, nr * sizeof(*src));
	BUG_ON(m, taken != 0);
	return (uint32_t)moved;
}

/*
 * So many ptes of one page table.  page_table_lock is held before and after, but
 * as in 2.6 it is given back after each pte, and taken before the next one is
 * looked at: while reclaim replaces a pte by a swap entry, it is 0 for a moment.
 * When nobody watches, all go together and the lock is counted.  Returns how
 * many went: the next one's page, if there is one, must be made exclusive first.
 */
static uint32_t move_ptes(struct vmemu *m, struct mm_struct *mm, pte_t *src,
			  struct vm_area_struct *to, kulong address, pte_t *dst,
			  uint32_t nr)
{
	struct lock_stat *stat = &m->locks.stat[LOCK_page_table];
	uint32_t n = 0, locked;

	if (m->watch.bits) {
		while (move_pte(m, mm, src + n, to,
				address + ((kulong)n << PAGE_SHIFT), dst + n)) {
			if (++n == nr)
				break;
			ptl_unlock(m, mm);
			lock_pte(m, mm, src + n);
		}
		return n;
	}
	n = m->rmap->move_anon ?
		    m->rmap->move_anon(m, src, dst, nr, to, address) :
		    nr;
	m->counter[CNT_mremap_ptes] += move_all(m, src, dst, n);
	locked = n < nr ? n : n - 1; /* after the first time, the caller's */
	m->watch.steps += locked;
	stat->acquired += locked;
	return n;
}

/* A whole page table, when both sides are aligned and nothing is in the way. */
static bool move_table(struct vmemu *m, struct mm_struct *mm,
		       const struct vm_area_struct *vma, kulong old, kulong new)
{
	const pte_t *pte = pte_lookup(m, mm, old);
	int from = 1, to = 1;
	pte_t *src = table_walk(m, mm, old, &from);
	pte_t *dst = table_walk(m, mm, new, &to);
	uint32_t n = 0;
	int i;

	/* The explorer wants to see every pte; a scheme may have to; a file's
	 * lock is not held while a table is allocated. */
	if (!pte || (dst && *dst & _PAGE_PRESENT) || m->rmap->move_anon ||
	    vma->vm_file || m->watch.bits & WATCH_EXPLORE)
		return false;
	ptl_lock(m, mm);
	if (!dst)
		dst = table_alloc_to(m, mm, new, 1);
	if (!dst) {
		ptl_unlock(m, mm);
		return false;
	}
	owned(m, page_table, mm);
	for (i = 0; i < PTRS_PER_TABLE; i++)
		n += pte[i] != 0;
	m->counter[CNT_mremap_ptes] += n;
	*dst = *src;
	*src = 0;
	ptl_unlock(m, mm);
	return true;
}

/* What of length lies in one page table on both sides. */
static kulong table_extent(kulong old, kulong new, kulong length)
{
	kulong room = PMD_SIZE - (old & (PMD_SIZE - 1));
	kulong there = PMD_SIZE - (new & (PMD_SIZE - 1));

	room = there < room ? there : room;
	return length < room ? length : room;
}

/*
 * truncate comes to the areas of a file in their order: did it see the new one before
 * the pte has arrived and the old one after it has left, the page would stay mapped.
 */
static void lock_file(struct vmemu *m, const struct vm_area_struct *vma)
{
	if (vma->vm_file)
		spin_lock(m, LOCK_i_mmap,
			  &HOST(m, address_space, vma->vm_file)->i_mmap_lock);
}

static void unlock_file(struct vmemu *m, const struct vm_area_struct *vma)
{
	if (vma->vm_file)
		spin_unlock(m, LOCK_i_mmap,
			    &HOST(m, address_space, vma->vm_file)->i_mmap_lock);
}

kulong move_page_tables(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *from, kulong old_address,
			struct vm_area_struct *to, kulong new_address,
			kulong length)
{
	kulong done = 0;

	flush_tlb(m);
	while (done < length) {
		kulong old = old_address + done, new = new_address + done;
		kulong extent = table_extent(old, new, length - done);
		pte_t *src = pte_lookup(m, mm, old), *dst;
		uint32_t nr, n;
		int failed;

		if (!src ||
		    (extent == PMD_SIZE && move_table(m, mm, from, old, new))) {
			done += extent;
			continue;
		}
		ptl_lock(m, mm);
		dst = pte_alloc(m, mm, new);
		ptl_unlock(m, mm);
		if (!dst)
			break;
		nr = (uint32_t)(extent >> PAGE_SHIFT);
		lock_file(m, from);
		lock_pte(m, mm, src);
		n = move_ptes(m, mm, src, to, new, dst, nr);
		unlock_file(m, from);
		done += (kulong)n << PAGE_SHIFT;
		if (n == nr) {
			ptl_unlock(m, mm);
			continue;
		}
		failed = make_page_exclusive(m, mm, from,
					     old + ((kulong)n << PAGE_SHIFT));
		rmap_unreserve(m);
		if (failed)
			break;
	}
	return done;
}
