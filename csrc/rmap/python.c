/*
 * rmap/python.c - a reverse map that a class in Python keeps.
 *
 * Python is told of each page that becomes mapped, moves or loses its last pte,
 * and names the candidates of a walk; the walk itself, and its counting, happen
 * here as for the other schemes.  page->mapping and page->index are the
 * scheme's to use; mapping must not stay 0.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/rmap.h"

static int vma_dup(struct vmemu *m, struct vm_area_struct *new,
		   struct vm_area_struct *old)
{
	return py_rmap_entry(m, RMAP_VMA_DUP, NULL, new, kaddr(m, old));
}

static void vma_split(struct vmemu *m, struct vm_area_struct *new,
		      struct vm_area_struct *old)
{
	py_rmap_entry(m, RMAP_VMA_SPLIT, NULL, new, kaddr(m, old));
}

static void vma_goes(struct vmemu *m, struct vm_area_struct *vma)
{
	py_rmap_entry(m, RMAP_VMA_FREE, NULL, vma, 0);
}

static int prepared(struct vmemu *m, struct vm_area_struct *vma)
{
	(void)m, (void)vma;
	return 0; /* ask */
}

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	if (how == ADD_AGAIN) {
		if (py_rmap_entry(m, RMAP_CLASH, page, vma, address))
			return -1;
	} else {
		page->mapping = kaddr(m, page);
		page->index = address;
	}
	py_rmap_entry(m, RMAP_ADD, page, vma, address);
	return 0;
}

static void remove_anon(struct vmemu *m, struct page *page)
{
	py_rmap_entry(m, RMAP_REMOVE, page, NULL, 0);
}

/* The anonymous page of a present pte, or NULL. */
static struct page *anon_page(struct vmemu *m, pte_t pte)
{
	struct page *page = m->mem_map + pte_pfn(pte);

	return pte_present(pte) && page->flags & PG_anon ? page : NULL;
}

static uint32_t move_anon(struct vmemu *m, const pte_t *pte, const pte_t *to,
			  uint32_t nr, struct vm_area_struct *vma,
			  kulong address)
{
	uint32_t i;

	(void)to;
	for (i = 0; i < nr; i++, address += PAGE_SIZE) {
		struct page *page = anon_page(m, pte[i]);

		if (page && py_rmap_entry(m, RMAP_MOVE, page, vma, address))
			break;
	}
	return i;
}

static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	int call = search->walk == WALK_UNMAP ? RMAP_CANDIDATES_UNMAP :
						RMAP_CANDIDATES_REFERENCED;
	int n = py_rmap_entry(m, call, page, NULL, 0), i;

	for (i = 0; i < n; i++) {
		const struct candidate *c = &m->candidates[i];
		struct mm_struct *mm = HOST(m, mm_struct, c->mm);
		struct vm_area_struct *vma =
			c->vma ? HOST(m, vm_area_struct, c->vma) : NULL;

		if (rmap_lives(m, search, mm) &&
		    !rmap_try(m, page, search, mm, vma, c->address))
			break;
	}
}

const struct rmap_ops rmap_python = {
	.name = "python",
	.caches = { { "python_rmap", 32, 4, 0 } },
	.locks_vma_tree = 1,
	.vma_dup = vma_dup,
	.vma_free = vma_goes,
	.vma_split = vma_split,
	.prepared = prepared,
	.add_anon = add_anon,
	.remove_anon = remove_anon,
	.move_anon = move_anon,
	.walk = walk,
};
