/*
 * rmap/none.c - no reverse map for anonymous pages, as between rmap 38 and 39.
 *
 * Costs no byte in any object and can unmap no anonymous page: swap-out always
 * fails.  The baseline that `vmemu overhead` measures the schemes against.
 */
#include "rmap/rmap.h"

static int prepared(struct vm_area_struct *vma)
{
	(void)vma;
	return 1;
}

static void add(struct vmemu *m, struct page *page, struct vm_area_struct *vma,
		kulong address)
{
	(void)m, (void)page, (void)vma, (void)address;
}

static int nothing(struct vmemu *m, struct page *page,
		   struct vm_area_struct *vma, kulong address)
{
	(void)m, (void)page, (void)vma, (void)address;
	return 0;
}

static int unreferenced(struct vmemu *m, struct page *page)
{
	(void)m, (void)page;
	return 0;
}

static int fail(struct vmemu *m, struct page *page)
{
	(void)m, (void)page;
	return SWAP_FAIL;
}

const struct rmap_ops rmap_none = {
	.name = "none",
	.vma_size = offsetof(struct vm_area_struct, anon_vma_node),
	.mm_size = offsetof(struct mm_struct, anonmm),
	.locks_vma_tree = 1,
	.prepared = prepared,
	.add_anon = add,
	.again_anon = add,
	.clash = nothing,
	.referenced = unreferenced,
	.unmap = fail,
};
