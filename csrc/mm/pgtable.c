/*
 * mm/pgtable.c - page tables, and the mm_struct that owns them.  The way through
 * them is in mm/walk.h.
 *
 *   pte, present:       | pfn ..12         | PSE 7 | D 6 | A 5 | U 2 | W 1 | P 1 |
 *   pte, PROT_NONE:     | pfn ..12         |  1  7 | D 6 | A 5 |  .  |  .  | 0   |
 *   pte, swapped out:   | offset 31..8     |  0  7 | 0 6 | type 5..1         | 0 |
 *   of a table above:   | pfn of the table | ...         A 5 | U 2 | W 1 | P 1   |
 *   pgd, lowmem:        | 4 MB frame 31..22| PSE 7 ...         |  0  | W 1 | P 1 |
 *
 * Entries of x86-64 have 64 bits, of which 2.6.7 used the same; lowmem is in the
 * kernel's own tables there, not in each process'.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

#define TABLE_ENTRY                                                            \
	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)

static struct page *table_alloc(struct vmemu *m)
{
	struct page *page = alloc_page(m, GFP_ZERO);

	if (!page)
		return NULL;
	page->flags |= PG_pgtable;
	m->pages.nr_pagetable++;
	count(m, CNT_pgtable_alloc);
	return page;
}

static void table_free(struct vmemu *m, struct page *page)
{
	BUG_ON(m, !(page->flags & PG_pgtable));
	m->pages.nr_pagetable--;
	page->mapping = page->index = 0;
	count(m, CNT_pgtable_free);
	free_page(m, page);
}

/* A new mm with an empty page directory; NULL when memory ran out. */
struct mm_struct *mm_alloc(struct vmemu *m)
{
	struct mm_struct *mm = kmem_cache_alloc(m, CACHE_mm_struct, GFP_KERNEL);
	struct page *page;
	pte_t *pgd;

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
		       TASK_SIZE_PGDS * sizeof(pte_t),
	       (PTRS_PER_TABLE - TASK_SIZE_PGDS) * sizeof(pte_t));
	mm->pgd = kaddr(m, pgd);
	mm->mm_users = mm->mm_count = 1;
	list_init(m, &mm->mmap_sem.wait_list);
	list_add_tail(m, &mm->mmlist, &m->k->mmlist);
	return mm;
}

void mm_free(struct vmemu *m, struct mm_struct *mm)
{
	pte_t *pgd = host(m, mm->pgd);
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

static void table_enter(struct vmemu *m, struct mm_struct *mm, kulong address,
			pte_t *entry, int level, struct page *table)
{
	*entry = (pte_t)pfn_of(m, table) << PAGE_SHIFT | TABLE_ENTRY;
	if (level == 1 && m->rmap->table_added)
		m->rmap->table_added(m, table, mm, address & -PMD_SIZE);
}

/*
 * The entry for address in its table of this level, the tables on the way
 * allocated where missing; NULL = no memory.  The caller holds page_table_lock,
 * which is dropped for an allocation.
 */
pte_t *table_alloc_to(struct vmemu *m, struct mm_struct *mm, kulong address,
		      int level)
{
	int missing = level;
	pte_t *entry;

	while (!(entry = table_walk(m, mm, address, &missing))) {
		struct page *page;

		ptl_unlock(m, mm);
		page = table_alloc(m);
		ptl_lock(m, mm);
		if (!page)
			return NULL;
		owned(m, page_table, mm);
		entry = table_walk(m, mm, address, &missing);
		if (*entry & _PAGE_PRESENT) /* somebody was faster */
			table_free(m, page);
		else
			table_enter(m, mm, address, entry, missing, page);
		touch(m, STEP_write, mm);
		missing = level;
	}
	return entry;
}

pte_t *pte_alloc(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	return table_alloc_to(m, mm, address, 0);
}

pte_t pte_value(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	pte_t *pte = pte_lookup(m, mm, address);

	return pte ? *pte : 0;
}

int pte_kind_at(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	pte_t pte = pte_value(m, mm, address);

	return !pte             ? PTE_NONE :
	       pte_present(pte) ? PTE_PRESENT :
	       pte_file(pte)    ? PTE_FILE :
				  PTE_SWAP;
}

kulong next_mapped(struct vmemu *m, struct mm_struct *mm, kulong start,
		   kulong end)
{
	return next_table(m, mm, &start, end) ? start : end;
}

/* The first entry is 0, and each is as the one before. */
static bool is_empty(const pte_t *table)
{
	return !*table && !memcmp(table, table + 1, PAGE_SIZE - sizeof(*table));
}

/* The tables below this one, which maps from base on, as far as what they map
 * lies in [start, end). */
static void free_below(struct vmemu *m, pte_t *table, int level, kulong base,
		       kulong start, kulong end)
{
	kulong size = (kulong)1 << level_shift(level), at;
	kulong i = start > base ? (start - base) / size : 0;

	for (; i < PTRS_PER_TABLE && (at = base + i * size) < end; i++) {
		pte_t *below;

		if (!(table[i] & _PAGE_PRESENT))
			continue;
		below = table_below(m, table[i]);
		if (level > 1)
			free_below(m, below, level - 1, at, start, end);
		if (at < start || end - at < size)
			continue;
		BUG_ON(m, !is_empty(below));
		table[i] = 0;
		table_free(m, virt_to_page(m, below));
	}
}

void free_pgtables(struct vmemu *m, struct mm_struct *mm, kulong start,
		   kulong end)
{
	ptl_lock(m, mm);
	owned(m, page_table, mm);
	free_below(m, host(m, mm->pgd), TOP_LEVEL(m), 0, start, end);
	ptl_unlock(m, mm);
}

/* The CPU flushes before it runs user code again; once per operation. */
void flush_tlb(struct vmemu *m)
{
	m->tlb.stale = 1;
}

/* protection_map[] of i386: private writable pages start read-only. */
kulong vm_page_prot(kulong vm_flags)
{
	if (!(vm_flags & (VM_READ | VM_WRITE | VM_EXEC)))
		return _PAGE_PROTNONE | _PAGE_ACCESSED;
	if ((vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
		return _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED;
	return _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;
}

uint32_t mm_ptes(struct vmemu *m, struct mm_struct *mm, kulong *addresses,
		 pte_t *ptes, uint32_t max)
{
	kulong at = 0, end = TASK_SIZE(m);
	uint32_t i, n = 0, nr;
	const pte_t *pte;

	for_each_table(m, mm, at, end, pte, nr) {
		for (i = 0; i < nr; i++) {
			if (!pte[i])
				continue;
			if (n < max) {
				addresses[n] = at + ((kulong)i << PAGE_SHIFT);
				ptes[n] = pte[i];
			}
			n++;
		}
	}
	return n;
}
