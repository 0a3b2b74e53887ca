/*
 * mm/pgtable.c - two-level i386 page tables and the mm_struct that owns them.
 *
 *   pte, present:       | pfn 31..12 | ... | PSE 7 | D 6 | A 5 | U 2 | W 1 | P 1 |
 *   pte, PROT_NONE:     | pfn 31..12 | ... |  1  7 | D 6 | A 5 |  .  |  .  | 0   |
 *   pte, swapped out:   | offset 31..8     |  0  7 | 0 6 | type 5..1         | 0 |
 *   pgd:                | pfn of the table | ...         A 5 | U 2 | W 1 | P 1   |
 *   pgd, lowmem:        | 4 MB frame 31..22| PSE 7 ...         |  0  | W 1 | P 1 |
 */
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"
#include "watch/step.h"

#define PGD_TABLE                                                              \
	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)

static struct page *table_alloc(struct vmemu *m)
{
	struct page *page = alloc_page(m, GFP_ZERO);

	if (!page)
		return NULL;
	page->flags |= PG_pgtable;
	m->nr_pagetable++;
	count(m, CNT_pgtable_alloc);
	return page;
}

static void table_free(struct vmemu *m, struct page *page)
{
	BUG_ON(m, !(page->flags & PG_pgtable));
	m->nr_pagetable--;
	count(m, CNT_pgtable_free);
	free_page(m, page);
}

/* A new mm with an empty page directory; NULL when memory ran out. */
struct mm_struct *mm_alloc(struct vmemu *m)
{
	struct mm_struct *mm = kmem_cache_alloc(m, CACHE_mm_struct, GFP_KERNEL);
	struct page *page;
	pgd_t *pgd;

	if (!mm)
		return NULL;
	page = table_alloc(m);
	if (!page) {
		kmem_cache_free(m, CACHE_mm_struct, mm);
		return NULL;
	}
	pgd = page_address(m, page);
	memcpy(pgd + TASK_SIZE_PGDS,
	       m->ram + SWAPPER_PG_DIR_PFN * PAGE_SIZE +
		       TASK_SIZE_PGDS * sizeof(pgd_t),
	       (PTRS_PER_PGD - TASK_SIZE_PGDS) * sizeof(pgd_t));
	mm->pgd = kaddr(m, pgd);
	mm->mm_users = mm->mm_count = 1;
	list_init(m, &mm->mmap_sem.wait_list);
	list_add_tail(m, &mm->mmlist, &m->k->mmlist);
	return mm;
}

void mm_free(struct vmemu *m, struct mm_struct *mm)
{
	pgd_t *pgd = host(m, mm->pgd);
	int i;

	for (i = 0; i < TASK_SIZE_PGDS; i++)
		BUG_ON(m, pgd[i] != 0);
	BUG_ON(m, mm->rss != 0);
	BUG_ON(m, mm->map_count != 0);
	if (m->current_mm == mm) {
		m->current_mm = NULL;
		flush_tlb(m);
	}
	list_del(m, &mm->mmlist);
	table_free(m, virt_to_page(m, pgd));
	kmem_cache_free(m, CACHE_mm_struct, mm);
}

pte_t *pte_offset(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	return pte_lookup(m, mm, address);
}

/*
 * The pte slot, with its table allocated when missing; NULL = no memory.  The
 * caller holds page_table_lock, which is dropped for the allocation.
 */
pte_t *pte_alloc(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	pgd_t *pgd = (pgd_t *)host(m, mm->pgd) + pgd_index(address);
	struct page *page;

	if (likely(*pgd & _PAGE_PRESENT))
		return pte_lookup(m, mm, address);
	ptl_unlock(m, mm);
	page = table_alloc(m);
	ptl_lock(m, mm);
	if (!page)
		return NULL;
	owned(m, page_table, mm);
	if (*pgd & _PAGE_PRESENT) /* somebody was faster */
		table_free(m, page);
	else
		*pgd = pfn_of(m, page) << PAGE_SHIFT | PGD_TABLE;
	touch(m, STEP_write, mm);
	return pte_lookup(m, mm, address);
}

pte_t pte_value(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	pte_t *pte = pte_lookup(m, mm, address);

	return pte ? *pte : 0;
}

int pte_kind_at(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	pte_t pte = pte_value(m, mm, address);

	return !pte ? PTE_NONE : pte_present(pte) ? PTE_PRESENT : PTE_SWAP;
}

/* Frees the page tables whose whole 4 MB lie in [start, end). */
void free_pgtables(struct vmemu *m, struct mm_struct *mm, kulong start,
		   kulong end)
{
	pgd_t *pgd = host(m, mm->pgd);
	uint64_t base = ((uint64_t)start + PGDIR_SIZE - 1) &
			~(uint64_t)(PGDIR_SIZE - 1);

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for (; base + PGDIR_SIZE <= end; base += PGDIR_SIZE) {
		kulong i = pgd_index((kulong)base);
		struct page *page;
		const pte_t *pte;
		pte_t any = 0;
		int j;

		if (!(pgd[i] & _PAGE_PRESENT))
			continue;
		page = m->mem_map + (pgd[i] >> PAGE_SHIFT);
		pte = page_address(m, page);
		for (j = 0; j < PTRS_PER_PTE; j++)
			any |= pte[j];
		BUG_ON(m, any != 0);
		pgd[i] = 0;
		table_free(m, page);
	}
	ptl_unlock(m, mm);
}

/* The CPU flushes before it runs user code again; once per operation. */
void flush_tlb(struct vmemu *m)
{
	m->tlb_stale = 1;
}

/* protection_map[] of i386: private writable pages start read-only. */
uint32_t vm_page_prot(kulong vm_flags)
{
	if (!(vm_flags & (VM_READ | VM_WRITE | VM_EXEC)))
		return _PAGE_PROTNONE | _PAGE_ACCESSED;
	if ((vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
		return _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED;
	return _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;
}
