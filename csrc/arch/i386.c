/* arch/i386.c - how i386 divides addresses: 3 GB for the user, lowmem above. */
#include "base/base.h"
#include "mm/walk.h"

void address_space_boot(struct vmemu *m, int levels)
{
	(void)levels;
	m->top_level = TOP_LEVEL(m);
	m->task_size = TASK_SIZE(m);
	m->unmapped_base = TASK_UNMAPPED_BASE;
}

/*
 * swapper_pg_dir maps lowmem at PAGE_OFFSET with 4 MB supervisor pages; every
 * page directory copies these entries.
 */
void map_lowmem(struct vmemu *m)
{
	pte_t *pgd = (pte_t *)(m->ram + SWAPPER_PG_DIR_PFN * PAGE_SIZE);
	uint64_t pa;

	for (pa = 0; pa < m->ram_size; pa += PMD_SIZE)
		pgd[table_index(PAGE_OFFSET + (kulong)pa, 1)] =
			(pte_t)pa | _PAGE_PRESENT | _PAGE_RW | _PAGE_PSE |
			_PAGE_ACCESSED | _PAGE_DIRTY;
}
