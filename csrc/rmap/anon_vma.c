/*
 * rmap/anon_vma.c - Andrea Arcangeli's anon_vma, as in 2.6.7 (rmap 39 and 40).
 *
 * An anonymous page points at the anon_vma of the vma that first mapped it, and
 * carries a linear page offset.  An anon_vma lists the vmas that may map its
 * pages: the one it was made for, that one's copies in forked children (newest
 * first), its split-off parts, and neighbours that adopted it.  vm_pgoff
 * travels with a moved vma, so mremap touches no page.
 *
 * Costs 12 bytes per vma and 12 per anon_vma.  What breaks it: many forked
 * children on one list, each page mapped by one of them only; vmas that cannot
 * merge since their anon_vmas or offsets differ.
 *
 * No reference count: freed when the list empties.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

static struct anon_vma *anon_vma_of(struct vmemu *m, kptr k)
{
	return HOST(m, anon_vma, k);
}

static struct anon_vma_tail *tail(const struct vm_area_struct *vma)
{
	return (struct anon_vma_tail *)(vma + 1);
}

kptr vma_anon_vma(const struct vm_area_struct *vma)
{
	return tail(vma)->anon_vma;
}

/* The vma that a list's node belongs to. */
static struct vm_area_struct *vma_of(struct vmemu *m, kptr node)
{
	return (struct vm_area_struct *)ENTRY(m, node, anon_vma_tail,
					      anon_vma_node) -
	       1;
}

struct anon_vma *anon_vma_alloc(struct vmemu *m)
{
	struct anon_vma *a = kmem_cache_alloc(m, CACHE_anon_vma, GFP_KERNEL);

	if (a)
		list_init(m, &a->head);
	return a;
}

void anon_vma_free(struct vmemu *m, struct anon_vma *a)
{
	BUG_ON(m, !list_empty(m, &a->head));
	kmem_cache_free(m, CACHE_anon_vma, a);
}

static void list_vma(struct vmemu *m, struct vm_area_struct *vma)
{
	struct anon_vma *a = anon_vma_of(m, tail(vma)->anon_vma);

	owned(m, anon_vma_list, a);
	list_add(m, &tail(vma)->anon_vma_node, &a->head);
	stamp_anon(m, vma, NULL);
}

static void anon_vma_link(struct vmemu *m, struct vm_area_struct *vma)
{
	struct anon_vma *a;

	if (!tail(vma)->anon_vma)
		return;
	a = anon_vma_of(m, tail(vma)->anon_vma);
	spin_lock(m, LOCK_rmap, &a->lock);
	list_vma(m, vma);
	spin_unlock(m, LOCK_rmap, &a->lock);
}

/*
 * An area without anon_vma takes all or some of its neighbour's pages, and so
 * its anon_vma (mmap_sem is held for write).  If it takes all, it takes the
 * neighbour's place in the list too: __anon_vma_merge().
 */
void anon_vma_absorb(struct vmemu *m, struct vm_area_struct *into,
		     const struct vm_area_struct *other, int all)
{
	struct anon_vma *a;

	if (tail(into)->anon_vma || !tail(other)->anon_vma)
		return;
	a = anon_vma_of(m, tail(other)->anon_vma);
	owned(m, anon_vma, into);
	tail(into)->anon_vma = tail(other)->anon_vma;
	spin_lock(m, LOCK_rmap, &a->lock);
	owned(m, anon_vma_list, a);
	list_add(m, &tail(into)->anon_vma_node,
		 all ? &tail(other)->anon_vma_node : &a->head);
	stamp_anon(m, into, all ? other : NULL);
	spin_unlock(m, LOCK_rmap, &a->lock);
}

/*
 * The first write fault gives vma its anon_vma, new or a neighbour's.  Threads
 * fault under mmap_sem for read: page_table_lock decides who was first.
 */
int anon_vma_install(struct vmemu *m, struct vm_area_struct *vma,
		     struct anon_vma *a)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	int first;

	ptl_lock(m, mm);
	first = tail(vma)->anon_vma == 0;
	touch(m, STEP_read, &tail(vma)->anon_vma);
	if (first) {
		owned(m, anon_vma, vma);
		touch(m, STEP_write, &tail(vma)->anon_vma);
		tail(vma)->anon_vma = kaddr(m, a);
		anon_vma_link(m, vma);
	}
	ptl_unlock(m, mm);
	return first;
}

void anon_vma_unlink(struct vmemu *m, struct vm_area_struct *vma)
{
	struct anon_vma *a;
	bool empty;

	if (!tail(vma)->anon_vma)
		return;
	a = anon_vma_of(m, tail(vma)->anon_vma);
	spin_lock(m, LOCK_rmap, &a->lock);
	owned(m, anon_vma_list, a);
	list_del(m, &tail(vma)->anon_vma_node);
	empty = list_empty(m, &a->head);
	spin_unlock(m, LOCK_rmap, &a->lock);
	if (empty)
		anon_vma_free(m, a);
}

void anon_vma_dup(struct vmemu *m, struct vm_area_struct *new,
		  const struct vm_area_struct *old)
{
	owned(m, anon_vma, new);
	tail(new)->anon_vma = tail(old)->anon_vma;
	anon_vma_link(m, new);
}

static int vma_dup(struct vmemu *m, struct vm_area_struct *new,
		   struct vm_area_struct *old)
{
	anon_vma_dup(m, new, old);
	return 0;
}

/* vma_adjust() holds the lock already. */
static void vma_split(struct vmemu *m, struct vm_area_struct *new,
		      struct vm_area_struct *old)
{
	owned(m, anon_vma, new);
	tail(new)->anon_vma = tail(old)->anon_vma;
	if (tail(new)->anon_vma)
		list_vma(m, new);
}

/* Where both have one it is the same: else no boundary moves between them. */
static uint32_t *range_lock_of(struct vmemu *m,
			       const struct vm_area_struct *vma,
			       const struct vm_area_struct *next)
{
	kptr k = tail(vma)->anon_vma;

	if (!k && next)
		k = tail(next)->anon_vma;
	return k ? &anon_vma_of(m, k)->lock : NULL;
}

static int prepared(struct vmemu *m, struct vm_area_struct *vma)
{
	shared(m, STEP_read, &tail(vma)->anon_vma);
	return tail(vma)->anon_vma != 0;
}

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	kptr mapping = tail(vma)->anon_vma;
	kulong index = vma_pgoff(vma, address);

	if (how == ADD_AGAIN) {
		BUG_ON(m, page->mapping != mapping);
		BUG_ON(m, page->index != index);
		return 0;
	}
	BUG_ON(m, mapping == 0);
	page->mapping = mapping;
	page->index = index;
	return 0;
}

static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	struct anon_vma *a = anon_vma_of(m, page->mapping);
	kptr head = kaddr(m, &a->head), k;

	spin_lock(m, LOCK_rmap, &a->lock);
	for (k = a->head.next; k != head; k = HOST(m, list_head, k)->next) {
		struct vm_area_struct *vma = vma_of(m, k);
		kulong address;

		if (rmap_in_vma(m, page, search, vma, &address) &&
		    !rmap_try(m, page, search, HOST(m, mm_struct, vma->vm_mm),
			      vma, address))
			break;
	}
	spin_unlock(m, LOCK_rmap, &a->lock);
}

static bool owns_anon_vma(struct vmemu *m, const void *vma)
{
	const struct vm_area_struct *area = vma;
	const struct mm_struct *mm = HOST(m, mm_struct, area->vm_mm);

	return may_change_vmas(m, mm) ||
	       holds_lock(m, LOCK_page_table, &mm->page_table_lock);
}

static bool owns_anon_vma_list(struct vmemu *m, const void *object)
{
	const struct anon_vma *a = object;

	return holds_lock(m, LOCK_rmap, &a->lock);
}

const struct rmap_ops rmap_anon_vma = {
	.name = "anon_vma",
	.vma_tail = sizeof(struct anon_vma_tail),
	.caches = { { "anon_vma", sizeof(struct anon_vma), sizeof(kptr), 1 } },
	.lock_name = "anon_vma_lock",
	.rules = { { "vm_area_struct.anon_vma",
		     "page_table_lock, or mmap_sem for write", owns_anon_vma },
		   { "anon_vma.head", "anon_vma_lock", owns_anon_vma_list } },
	.range_lock = range_lock_of,
	.prepared = prepared,
	.vma_dup = vma_dup,
	.vma_free = anon_vma_unlink,
	.vma_split = vma_split,
	.add_anon = add_anon,
	.walk = walk,
};
