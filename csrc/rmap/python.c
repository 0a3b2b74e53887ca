/*
 * rmap/python.c - a reverse map that a class in Python keeps.
 *
 * Python is told of what it has a hook for, and names the candidates of a walk,
 * one at a time; the walk itself, and its counting, happen here as for the other
 * schemes.  page->mapping and page->index are the scheme's to use; mapping must
 * not stay 0.
 *
 * A call costs microseconds, so each machine has ops of its own: those
 * without a hook behind them are NULL, as if the scheme were written in C.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"

#include <stdlib.h>

struct python_ops {
	struct rmap_ops ops;
	uint32_t hooks;
};

#define PTE_HOOKS                                                              \
	(1u << RMAP_PTE_COPY | 1u << RMAP_PTE_MOVE | 1u << RMAP_PTE_REMOVE)

static bool hears(const struct vmemu *m, enum rmap_call call)
{
	return ((const struct python_ops *)m->rmap)->hooks >> call & 1;
}

static int vma_dup(struct vmemu *m, struct vm_area_struct *new,
		   struct vm_area_struct *old)
{
	return py_rmap_entry(m, RMAP_VMA_DUP, NULL, new, NULL, 0,
			     kaddr(m, old));
}

static void vma_split(struct vmemu *m, struct vm_area_struct *new,
		      struct vm_area_struct *old)
{
	py_rmap_entry(m, RMAP_VMA_SPLIT, NULL, new, NULL, 0, kaddr(m, old));
}

static void vma_goes(struct vmemu *m, struct vm_area_struct *vma)
{
	py_rmap_entry(m, RMAP_VMA_FREE, NULL, vma, NULL, 0, 0);
}

static void range_changes(struct vmemu *m, struct vm_area_struct *vma)
{
	py_rmap_entry(m, RMAP_RANGE_CHANGES, NULL, vma, NULL, 0, 0);
}

static void range_changed(struct vmemu *m, struct vm_area_struct *vma)
{
	py_rmap_entry(m, RMAP_RANGE_CHANGED, NULL, vma, NULL, 0, 0);
}

static int ask(struct vmemu *m, struct vm_area_struct *vma)
{
	(void)m, (void)vma;
	return 0;
}

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	static const enum rmap_call calls[] = {
		[ADD_NEW] = RMAP_ADD,
		[ADD_BACK] = RMAP_ADD_BACK,
		[ADD_AGAIN] = RMAP_ADD_AGAIN,
	};

	if (how != ADD_AGAIN) {
		page->mapping = kaddr(m, page);
		page->index = address;
	} else if (hears(m, RMAP_CLASH) &&
		   py_rmap_entry(m, RMAP_CLASH, page, vma, NULL, address, 0)) {
		return -1;
	}
	if (hears(m, calls[how]))
		py_rmap_entry(m, calls[how], page, vma, NULL, address, 0);
	return 0;
}

static void own_anon(struct vmemu *m, struct page *page,
		     struct vm_area_struct *vma, kulong address)
{
	py_rmap_entry(m, RMAP_OWN, page, vma, NULL, address, 0);
}

static void remove_anon(struct vmemu *m, struct page *page)
{
	py_rmap_entry(m, RMAP_REMOVE, page, NULL, NULL, 0, 0);
}

static void put_anon(struct vmemu *m, kptr mapping, int32_t pages)
{
	py_rmap_entry(m, RMAP_PUT, NULL, NULL, NULL, mapping, (kulong)pages);
}

/* Where a pte maps its page: its table knows, see table_added(). */
static kulong pte_address(struct vmemu *m, const pte_t *pte)
{
	uint64_t at = (uint64_t)((const uint8_t *)pte - m->ram);
	const struct page *table = m->mem_map + (at >> PAGE_SHIFT);

	return table->index +
	       (kulong)(at % PAGE_SIZE / sizeof(*pte) << PAGE_SHIFT);
}

static void table_added(struct vmemu *m, struct page *table,
			struct mm_struct *mm, kulong address)
{
	(void)m, (void)mm;
	table->index = address;
}

static void dup_pte(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, struct mm_struct *child,
		    const pte_t *pte)
{
	py_rmap_entry(m, RMAP_PTE_COPY, page, vma, child, pte_address(m, pte),
		      0);
}

static void remove_pte(struct vmemu *m, struct page *page, struct mm_struct *mm,
		       const pte_t *pte)
{
	py_rmap_entry(m, RMAP_PTE_REMOVE, page, NULL, mm, pte_address(m, pte),
		      0);
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
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	uint32_t i;

	(void)to;
	for (i = 0; i < nr; i++, address += PAGE_SIZE) {
		struct page *page = anon_page(m, pte[i]);

		if (!page)
			continue;
		if (hears(m, RMAP_MOVE) &&
		    py_rmap_entry(m, RMAP_MOVE, page, vma, mm, address, 0))
			break;
		if (hears(m, RMAP_PTE_MOVE))
			py_rmap_entry(m, RMAP_PTE_MOVE, page, vma, mm,
				      pte_address(m, pte + i), address);
	}
	return i;
}

static int reserve(struct vmemu *m, int gfp)
{
	return py_rmap_entry(m, RMAP_RESERVE, NULL, NULL, NULL, (kulong)gfp, 0);
}

static void unreserve(struct vmemu *m)
{
	py_rmap_entry(m, RMAP_UNRESERVE, NULL, NULL, NULL, 0, 0);
}

/* One candidate; false: that is enough. */
static bool try_one(struct vmemu *m, struct page *page,
		    struct rmap_search *search)
{
	struct candidate c = m->candidate;
	struct mm_struct *mm = HOST(m, mm_struct, c.mm);
	struct vm_area_struct *vma =
		c.vma ? HOST(m, vm_area_struct, c.vma) : NULL;

	return !rmap_lives(m, search, mm) ||
	       rmap_try(m, page, search, mm, vma, c.address);
}

/* Others may walk meanwhile: what this walk is at is in its number. */
static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	int call = search->walk == WALK_UNMAP ? RMAP_WALK_UNMAP :
						RMAP_WALK_REFERENCED;
	int number = py_rmap_entry(m, call, page, NULL, NULL, 0, 0);
	kulong found = 0;

	while (number) {
		int next = py_rmap_entry(m, RMAP_WALK_NEXT, NULL, NULL, NULL,
					 (kulong)number, found);
		uint32_t before = search->found;

		if (next == NEXT_NONE)
			return;
		if (next >= NEXT_REJECT) {
			rmap_reject(m, search,
				    (enum rmap_verdict)(next - NEXT_REJECT),
				    m->candidate.mm, m->candidate.vma);
			found = 0;
			continue;
		}
		if (!try_one(m, page, search))
			break;
		found = search->found - before;
	}
	if (number)
		py_rmap_entry(m, RMAP_WALK_END, NULL, NULL, NULL,
			      (kulong)number, 0);
}

/* What costs time when nobody hears it is left out. */
static void leave_out(struct rmap_ops *ops, uint32_t hooks)
{
#define WITHOUT(op, bits)                                                      \
	if (!(hooks & (bits)))                                                 \
		ops->op = NULL;
	WITHOUT(vma_dup, 1u << RMAP_VMA_DUP)
	WITHOUT(vma_free, 1u << RMAP_VMA_FREE)
	WITHOUT(vma_split, 1u << RMAP_VMA_SPLIT)
	WITHOUT(range_changes, 1u << RMAP_RANGE_CHANGES)
	WITHOUT(range_changed, 1u << RMAP_RANGE_CHANGED)
	WITHOUT(own_anon, 1u << RMAP_OWN)
	WITHOUT(remove_anon, 1u << RMAP_REMOVE)
	WITHOUT(put_anon, 1u << RMAP_PUT)
	WITHOUT(dup_pte, 1u << RMAP_PTE_COPY)
	WITHOUT(remove_pte, 1u << RMAP_PTE_REMOVE)
	/* mremap may move a table as it is, unless its ptes are known. */
	WITHOUT(move_anon, 1u << RMAP_MOVE | PTE_HOOKS)
	WITHOUT(table_added, PTE_HOOKS)
	WITHOUT(reserve, 1u << RMAP_RESERVE)
	WITHOUT(unreserve, 1u << RMAP_UNRESERVE)
	WITHOUT(prepared, 1u << RMAP_PREPARE)
#undef WITHOUT
}

static struct rmap_ops *plug(const struct rmap_plugin *plugin)
{
	struct python_ops *own = malloc(sizeof(*own));

	if (!own)
		return NULL;
	own->ops = rmap_python;
	own->hooks = plugin ? plugin->hooks : 0;
	if (plugin) {
		own->ops.vma_tail = plugin->vma_tail;
		own->ops.mm_tail = plugin->mm_tail;
		memcpy(own->ops.caches, plugin->caches,
		       sizeof(own->ops.caches));
	}
	leave_out(&own->ops, own->hooks);
	return &own->ops;
}

const struct rmap_ops rmap_python = {
	.name = "python",
	.plug = plug,
	.locks_vma_tree = 1,
	.vma_dup = vma_dup,
	.vma_free = vma_goes,
	.vma_split = vma_split,
	.range_changes = range_changes,
	.range_changed = range_changed,
	.prepared = ask,
	.add_anon = add_anon,
	.own_anon = own_anon,
	.remove_anon = remove_anon,
	.put_anon = put_anon,
	.move_anon = move_anon,
	.dup_pte = dup_pte,
	.remove_pte = remove_pte,
	.reserve = reserve,
	.unreserve = unreserve,
	.table_added = table_added,
	.walk = walk,
};
