/*
 * rmap/nonlinear.c - pages of a file that nonlinear areas map: nobody can tell where.
 *
 * After rmap 8, Hugh Dickins 2004.  A page that has to go is not looked for: clusters of 32
 * ptes are swept instead, one of each nonlinear area of the file in turn, from where
 * the last sweep ended (vm_private_data); whatever was not used lately goes.  That ends
 * when as many ptes have gone as the page has, or when every area has been swept once.
 * page_referenced does not look at these areas at all.
 */
#include "file/i_mmap.h"
#include "rmap/rmap.h"

#define CLUSTER_SIZE ((kulong)32 << PAGE_SHIFT)

struct nonlinear_sweep {
	struct page *wanted;
	uint32_t left; /* ptes to be taken away yet */
};

static bool is_locked(struct vmemu *m, const struct vm_area_struct *vma)
{
	step(m, STEP_read, &vma->vm_flags);
	return vma->vm_flags & (VM_LOCKED | VM_RESERVED);
}

/* The pte's page goes, unless it has been used; nobody may be at work on it. */
static void sweep_pte(struct vmemu *m, struct nonlinear_sweep *sweep,
		      struct mm_struct *mm, struct vm_area_struct *vma,
		      kulong address, pte_t *pte)
{
	struct page *page = m->mem_map + pte_pfn(*pte);
	bool locked;

	if (page->flags & PG_reserved)
		return;
	locked = page == sweep->wanted || trylock_page(m, page);
	if (!locked)
		return;
	if (rmap_detach(m, page, mm, vma, pte, address, 2)) {
		count(m, CNT_nonlinear_unmapped);
		m->counter[CNT_nonlinear_collateral] += page != sweep->wanted;
		if (sweep->left)
			sweep->left--;
	}
	if (page != sweep->wanted)
		unlock_page(m, page);
}

static void sweep_cluster(struct vmemu *m, struct nonlinear_sweep *sweep,
			  struct vm_area_struct *vma, kulong from)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	kulong at = vma->vm_start + from, end = at + CLUSTER_SIZE;
	uint32_t nr, i;
	pte_t *pte;

	if (end > vma->vm_end)
		end = vma->vm_end;
	if (!ptl_trylock(m, mm))
		return;
	count(m, CNT_nonlinear_clusters);
	for_each_table(m, mm, at, end, pte, nr)
		for (i = 0; i < nr; i++, pte++) {
			count(m, CNT_nonlinear_ptes);
			if (pte_present(*pte))
				sweep_pte(m, sweep, mm, vma,
					  at + ((kulong)i << PAGE_SHIFT), pte);
		}
	ptl_unlock(m, mm);
}

static kulong length(const struct vm_area_struct *vma)
{
	return vma->vm_end - vma->vm_start;
}

/* The next cluster of an area, the first behind the last; false: it has none to try. */
static bool sweep_area(struct vmemu *m, struct nonlinear_sweep *sweep,
		       struct vm_area_struct *vma, kulong *rounds)
{
	kulong from = vma->vm_private_data, clusters;

	if (!has_pages(m, HOST(m, mm_struct, vma->vm_mm)) || is_locked(m, vma))
		return false;
	clusters = (length(vma) + CLUSTER_SIZE - 1) / CLUSTER_SIZE;
	if (clusters > *rounds)
		*rounds = clusters;
	if (from >= length(vma))
		from = 0;
	sweep_cluster(m, sweep, vma, from);
	vma->vm_private_data = from + CLUSTER_SIZE;
	return true;
}

void sweep_nonlinear(struct vmemu *m, struct page *page,
		     struct address_space *mapping)
{
	struct nonlinear_sweep sweep = { page, page->mapcount };
	kulong round, rounds = 1;
	struct vm_area_struct *vma;
	bool any = true;
	kptr k;

	page_map_unlock(m, page); /* it is taken for each pte's page */
	for (round = 0; any && round < rounds && sweep.left; round++) {
		any = false;
		i_mmap_for_each_nonlinear(m, vma, k, mapping)
		{
			any |= sweep_area(m, &sweep, vma, &rounds);
			if (!sweep.left)
				break;
		}
	}
	page_map_lock(m, page);
}
