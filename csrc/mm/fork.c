/*
 * mm/fork.c - a child's address space: every vma and its ptes, write-protected.
 *
 * After dup_mmap (kernel/fork.c) and copy_page_range (mm/memory.c), 2.6.7.
 */
#include "mm/mm.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* Bits of a pte that stay, by what its vma is. */
struct pte_bits_kept {
	pte_t parent, child;
};

static struct pte_bits_kept bits_kept(kulong vm_flags)
{
	struct pte_bits_kept kept = { ~(pte_t)0, ~(pte_t)_PAGE_ACCESSED };

	if (is_cow_mapping(vm_flags))
		kept.parent &= ~(pte_t)_PAGE_RW;
	if (vm_flags & VM_SHARED)
		kept.child &= ~(pte_t)_PAGE_DIRTY;
	return kept;
}

/* The parent's area, whose ptes go to the child. */
struct copying {
	struct mm_struct *child;
	struct vm_area_struct *vma;
	struct pte_bits_kept kept;
	kulong others; /* ptes that are nobody's rss */
};

static ALWAYS_INLINE pte_t copy_pte(struct vmemu *m, struct copying *c,
				    struct page *mem_map, pte_t *src,
				    const pte_t *to, const bool watched)
{
	pte_t pte = *src;
	struct page *page;

	if (!pte_present(pte)) {
		if (!pte_file(pte))
			BUG_ON(m, swap_duplicate(m, pte_to_swp_entry(pte)));
		c->others++;
		return pte;
	}
	page = mem_map + pte_pfn(pte);
	if (unlikely(page->flags & PG_reserved)) {
		c->others++;
		return pte;
	}
	*src = pte &= c->kept.parent;
	page_dup(m, page, c->vma, c->child, to, watched);
	if (watched)
		rss_inc(m, c->child);
	return pte & c->kept.child;
}

/*
 * The ptes of one page table; see mm/zap.c on the two compilations.  Returns how
 * many went: there may be no memory for what the scheme needs for the next.
 */
static ALWAYS_INLINE uint32_t copy_ptes(struct vmemu *m, struct copying *c,
					pte_t *to, pte_t *from, uint32_t nr,
					const bool watched)
{
	struct page *mem_map = m->mem_map;
	uint32_t i, n = 0;

	c->others = 0;
	for (i = 0; i < nr; i++)
		if (from[i]) {
			if (watched) {
				if (!rmap_reserve(m, GFP_ATOMIC))
					break;
				shared(m, STEP_write, &from[i]);
			}
			to[i] = copy_pte(m, c, mem_map, &from[i], &to[i],
					 watched);
			if (watched)
				touch(m, STEP_write, &to[i]);
			n++;
		}
	if (!watched) {
		c->child->rss += n - c->others;
		m->locks.stat[LOCK_page_map].acquired += n - c->others;
	}
	m->watch.steps += n;
	m->counter[CNT_fork_ptes] += n;
	return i;
}

/* So many ptes of one page table, from address on; how many went. */
static uint32_t copy_table(struct vmemu *m, struct copying *c, kulong address,
			   pte_t *from, uint32_t nr)
{
	struct mm_struct *src = HOST(m, mm_struct, c->vma->vm_mm);
	pte_t *to;

	ptl_lock(m, c->child);
	to = pte_alloc(m, c->child, address);
	if (!to) {
		ptl_unlock(m, c->child);
		return 0;
	}
	/* Nobody waits for src with dst held the other way round: only reclaim
	 * knows the child yet. */
	lockdep_nest(m);
	ptl_lock(m, src);
	owned(m, page_table, src);
	owned(m, page_table, c->child);
	if (unlikely(m->watch.bits | m->rmap_each_pte))
		nr = copy_ptes(m, c, to, from, nr, true);
	else
		nr = copy_ptes(m, c, to, from, nr, false);
	ptl_unlock(m, src);
	ptl_unlock(m, c->child);
	return nr;
}

/* fork: dst gets src's ptes of one vma, write-protected; -1 = no memory. */
int copy_page_range(struct vmemu *m, struct mm_struct *dst,
		    struct mm_struct *src, struct vm_area_struct *vma)
{
	struct copying c = { .child = dst,
			     .vma = vma,
			     .kept = bits_kept(vma->vm_flags) };
	kulong at = vma->vm_start, end = vma->vm_end;
	pte_t *from;
	uint32_t nr, done;

	flush_tlb(m);
	for_each_table(m, src, at, end, from, nr)
		for (done = 0; done < nr;) {
			uint32_t n;

			if (!rmap_reserve(m, GFP_KERNEL))
				return -1;
			n = copy_table(m, &c, at + ((kulong)done << PAGE_SHIFT),
				       from + done, nr - done);
			rmap_unreserve(m);
			if (!n)
				return -1;
			done += n;
		}
	return 0;
}

/* What a child has of an area: nothing, where it is to find zeroes. */
static int dup_pages(struct vmemu *m, struct mm_struct *child,
		     struct mm_struct *parent, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WIPEONFORK)
		return 0;
	return copy_page_range(m, child, parent, vma);
}

static int dup_vma(struct vmemu *m, struct mm_struct *child,
		   struct mm_struct *parent, struct vm_area_struct *vma)
{
	bool account = vma->vm_flags & VM_ACCOUNT;
	struct vm_area_struct *new;

	if (account && vm_enough_memory(m, vma_pages(vma)))
		return -1;
	new = vma_alloc(m);
	if (!new)
		goto no_memory;
	vma_copy(m, new, vma);
	new->vm_mm = kaddr(m, child);
	if (vma->vm_flags & VM_WIPEONFORK)
		new->vm_pgoff = new->vm_start >> PAGE_SHIFT;
	vma_came_from(m, new, CAME_FORKED, vma->vm_start);
	new->vm_flags &= ~(kulong)(VM_LOCKED | VM_LOCKONFAULT);
	/* The scheme knows the child before its first pte is there.  An area that
	 * is wiped is a new one to it. */
	if (!(vma->vm_flags & VM_WIPEONFORK) && m->rmap->vma_dup &&
	    m->rmap->vma_dup(m, new, vma)) {
		vma_free(m, new);
		goto no_memory;
	}
	vma_link_copy(m, child, new, vma);
	mm_account(m, child, vma_pages(new), 0);
	return dup_pages(m, child, parent, vma);

no_memory:
	if (account)
		m->vm_committed -= vma_pages(vma);
	return -1;
}

static void copy_layout(struct mm_struct *to, const struct mm_struct *from,
			kulong unmapped_base)
{
	to->free_area_cache = unmapped_base; /* the child looks anew */
	to->start_code = from->start_code;
	to->end_code = from->end_code;
	to->start_data = from->start_data;
	to->end_data = from->end_data;
	to->start_brk = from->start_brk;
	to->brk = from->brk;
	to->start_stack = from->start_stack;
	to->arg_start = from->arg_start;
	to->arg_end = from->arg_end;
	to->env_start = from->env_start;
	to->env_end = from->env_end;
}

/* fork: the child gets every vma and, as far as they have ptes, these. */
int dup_mmap(struct vmemu *m, struct mm_struct *child, struct mm_struct *parent)
{
	kptr k;

	m->locks.held->newborn = kaddr(m, child);
	copy_layout(child, parent, m->unmapped_base);
	for (k = parent->mmap; k; k = HOST(m, vm_area_struct, k)->vm_next) {
		struct vm_area_struct *vma = HOST(m, vm_area_struct, k);

		if (!(vma->vm_flags & VM_DONTCOPY) &&
		    dup_vma(m, child, parent, vma))
			break;
	}
	m->locks.held->newborn = 0;
	return k ? -1 : 0;
}
