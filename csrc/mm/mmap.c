/*
 * mm/mmap.c - what fork and exit do to every vma, and the sum of all promises.
 *
 * After dup_mmap (kernel/fork.c), exit_mmap (mm/mmap.c) and
 * cap_vm_enough_memory (security/commoncap.c), 2.6.7.
 */
#include "mm/mm.h"

/*
 * Promises pages, for a root process.  GUESS refuses only what free memory,
 * page cache and free swap could never hold (pages that reclaim could swap out
 * do not count); NEVER keeps the sum below swap plus a share of RAM.
 */
int vm_enough_memory(struct vmemu *m, int64_t pages)
{
	const struct zone *zone = &m->k->zone;
	int64_t limit;

	switch (m->overcommit_memory) {
	case OVERCOMMIT_GUESS:
		limit = (int64_t)zone->free_pages + m->nr_pagecache +
			swap_total(m) - swap_used(m);
		if (pages > limit)
			return -1;
		break;
	case OVERCOMMIT_NEVER:
		limit = (int64_t)zone->present_pages * m->overcommit_ratio /
				100 +
			swap_total(m);
		if (m->vm_committed + pages > limit)
			return -1;
		break;
	}
	m->vm_committed += pages;
	return 0;
}

static int64_t vma_pages(const struct vm_area_struct *vma)
{
	return (int64_t)((vma->vm_end - vma->vm_start) >> PAGE_SHIFT);
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
	new->vm_flags &= ~(kulong)VM_LOCKED;
	/* The scheme knows the child before its first pte is there. */
	if (m->rmap->vma_dup && m->rmap->vma_dup(m, new, vma)) {
		vma_free(m, new);
		goto no_memory;
	}
	vma_link(m, child, new);
	mm_account(m, child, vma_pages(new), 0);
	return copy_page_range(m, child, parent, vma);

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

	m->held->newborn = kaddr(m, child);
	copy_layout(child, parent, m->unmapped_base);
	for (k = parent->mmap; k; k = HOST(m, vm_area_struct, k)->vm_next) {
		struct vm_area_struct *vma = HOST(m, vm_area_struct, k);

		if (!(vma->vm_flags & VM_DONTCOPY) &&
		    dup_vma(m, child, parent, vma))
			break;
	}
	m->held->newborn = 0;
	return k ? -1 : 0;
}

/* Nobody uses the mm any more: its pages, vmas and page tables go. */
void exit_mmap(struct vmemu *m, struct mm_struct *mm)
{
	struct vm_area_struct *vma, *next;

	unmap_vmas(m, mm, 0, TASK_SIZE(m));
	free_pgtables(m, mm, 0,
		      (kulong)TASK_SIZE_PGDS << level_shift(TOP_LEVEL(m)));
	for (vma = detach_vmas(m, mm); vma; vma = next) {
		next = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) :
				      NULL;
		if (vma->vm_flags & VM_ACCOUNT)
			m->vm_committed -= vma_pages(vma);
		if (m->rmap->vma_free)
			m->rmap->vma_free(m, vma);
		vma_file_unlink(m, vma);
		vma_free(m, vma);
	}
	mm->total_vm = mm->locked_vm = 0;
}
