/*
 * arch/x86_64.c - how x86-64 divides addresses.
 *
 * 2.6.7 gave each process three levels, 512 GB less one: they hang in the first
 * slot of a PML4 that each CPU has for itself.  With four levels, as since
 * 2.6.11, a process has the lower half, 47 bits.
 */
#include "base/base.h"
#include "mm/walk.h"

#define TASK_SIZE_3_LEVELS ((kulong)0x7fc0000000)
#define TASK_SIZE_4_LEVELS (((kulong)1 << 47) - PAGE_SIZE)

void address_space_boot(struct vmemu *m, int levels)
{
	m->top_level = levels - 1;
	m->task_size = levels == 3 ? TASK_SIZE_3_LEVELS : TASK_SIZE_4_LEVELS;
	m->unmapped_base = (m->task_size / 3 + PAGE_SIZE - 1) & PAGE_MASK;
}

/* Lowmem is mapped by tables of the CPU's own, which nobody walks here. */
void map_lowmem(struct vmemu *m)
{
	(void)m;
}
