/*
 * mm/walk.h - the way through an mm's tables, one loop for any number of levels.
 *
 * Level 0 is a page table, the top level (1 with two levels) the directory that
 * mm->pgd is.  An entry of a table of level n maps 1 << level_shift(n) bytes.
 *
 *   i386, 2 levels       | pgd 31..22 | pte 21..12 | byte 11..0 |
 *   x86-64, 3 levels     | pgd 38..30 | pmd 29..21 | pte 20..12 | byte 11..0 |
 *   x86-64, 4 levels     | pgd 47..39 | pud 38..30 | pmd 29..21 | pte 20..12 | byte |
 */
#ifndef VMEMU_MM_WALK_H
#define VMEMU_MM_WALK_H
#include "page/page.h"

static inline uint32_t level_shift(int level)
{
	return (uint32_t)(PAGE_SHIFT + level * TABLE_BITS);
}

static inline kulong table_index(kulong address, int level)
{
	return address >> level_shift(level) & (PTRS_PER_TABLE - 1);
}

static inline uint32_t pte_pfn(pte_t pte)
{
	return (uint32_t)(pte >> PAGE_SHIFT);
}

/* The table, one level below, that a present entry points at. */
static inline pte_t *table_below(struct vmemu *m, pte_t entry)
{
	return (pte_t *)(m->ram + (entry & PAGE_MASK));
}

/*
 * The entry for address in its table of this level, or NULL where a table above
 * is missing; *level is then that of the missing one's entry.  The loop is
 * unrolled, so that shifts are constants: three levels took twice as long as two.
 */
static ALWAYS_INLINE pte_t *table_walk(struct vmemu *m, struct mm_struct *mm,
				       kulong address, int *level)
{
	pte_t *table = host(m, mm->pgd);
	int at;

#pragma GCC unroll 4
	for (at = MAX_LEVELS - 1; at > 0; at--) {
		pte_t entry;

		if (at >= DEFAULT_LEVELS && likely(at > TOP_LEVEL(m)))
			continue;
		if (at == *level)
			break;
		entry = table[table_index(address, at)];
		if (!(entry & _PAGE_PRESENT)) {
			*level = at;
			return NULL;
		}
		table = table_below(m, entry);
	}
	return table + table_index(address, at);
}

/* The pte slot for address, or NULL when there is no page table. */
static inline pte_t *pte_lookup(struct vmemu *m, struct mm_struct *mm,
				kulong address)
{
	int level = 0;

	return table_walk(m, mm, address, &level);
}

/* What lies behind the entry of this level that maps address; at most end. */
static inline kulong next_entry(kulong address, kulong end, int level)
{
	kulong size = (kulong)1 << level_shift(level);
	kulong next = (address + size) & ~(size - 1);

	return next > end || next < address ? end : next;
}

/* The pte slot of the first address from *address on that has a page table;
 * NULL: there is none below end. */
static inline pte_t *next_table(struct vmemu *m, struct mm_struct *mm,
				kulong *address, kulong end)
{
	while (*address < end) {
		int level = 0;
		pte_t *pte = table_walk(m, mm, *address, &level);

		if (pte)
			return pte;
		*address = next_entry(*address, end, level);
	}
	return NULL;
}

/*
 * For each page table that maps some of [at, end): pte is the slot of at, and nr
 * slots from there on lie in the range.
 */
#define for_each_table(m, mm, at, end, pte, nr)                                \
	for (; ((pte) = next_table(m, mm, &(at), end)) &&                      \
	       ((nr) = (uint32_t)((next_entry(at, end, 1) - (at)) >>           \
				  PAGE_SHIFT),                                 \
	       true);                                                          \
	     (at) = next_entry(at, end, 1))

#endif
