/*
 * rmap/none.c - no reverse map for anonymous pages, as between rmap 38 and 39.
 *
 * Costs no byte in any object and can unmap no anonymous page: swap-out always
 * fails.  The baseline that `vmemu overhead` measures the schemes against.
 */
#include "rmap/rmap.h"

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	(void)m, (void)page, (void)vma, (void)address, (void)how;
	return 0;
}

static void fail(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	(void)m, (void)page;
	search->ret = SWAP_FAIL;
}

const struct rmap_ops rmap_none = {
	.name = "none",
	.locks_vma_tree = 1,
	.add_anon = add_anon,
	.walk = fail,
};
