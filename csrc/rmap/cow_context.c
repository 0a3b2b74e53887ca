/*
 * rmap/cow_context.c - Lorenzo Stoakes' cow_context, after what is known of his
 * proof of concept (2026; in no release).
 *
 * One object per mm, the contexts of a fork family make a tree, and a page points
 * at the lowest one whose descendants have all of its mappings.  page->index is
 * the page number of the address at which the area was first mapped.  An area
 * that mremap has moved has an entry in its context's remap map: so many pages
 * now here have an index that is less by so much.  A walk goes depth first
 * through all descendants, and looks in each at the index itself, then at what
 * the entries make of it.  So these are anonmm's objects, with a tree in place of
 * the ring and an entry in place of the copies that mremap had to make.
 *
 * Costs 44 or 80 bytes per mm (and a pointer in it), nothing per vma, a bit per
 * page (PG_exclusive), and 256 bytes per 20 or 10 moved areas in each mm that has
 * them.  What breaks it: a walk through many descendants of which few have the
 * page; contexts times moved areas; dead contexts, which stay while a descendant
 * lives (see prune).  fork looks at each page, since it is exclusive no more.
 *
 * Where the proof of concept asks the vma for its offset, the map alone is asked
 * here.  So areas of any offsets may merge, and a private mapping of a file, whose
 * vm_pgoff is the file's, needs no entry until it moves.
 *
 * What was open there, and how it is here:
 *   The vma during a walk: looked up under page_table_lock, and used for nothing
 *   but to reject; after that only the pte counts, with page_table_lock again.
 *   Allocation: the map is never changed in place.  Whoever holds mmap_sem for
 *   write makes another one, and then puts it in its place.
 *   Forks: a child is in the tree before it has a pte, and a page gets a pte under
 *   page_map_lock, which the walk holds.
 */
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/cow_remap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

static bool prunes(const struct vmemu *m)
{
	return m->rmap_option[OPTION_cow_prune] != 0;
}

/* ---- the tree ----------------------------------------------------------------- */

static struct cow_context *context_alloc(struct vmemu *m, struct mm_struct *mm)
{
	struct cow_context *c =
		kmem_cache_alloc(m, CACHE_cow_context, GFP_KERNEL);

	if (!c)
		return NULL;
	c->mm = kaddr(m, mm);
	c->root = kaddr(m, c);
	c->refcount = 1;
	list_init(m, &c->children);
	list_init(m, &c->siblings);
	return c;
}

static int mm_init(struct vmemu *m, struct mm_struct *mm)
{
	struct cow_context *c = context_alloc(m, mm);

	if (!c)
		return -1;
	cow_context_tail(mm)->context = kaddr(m, c);
	return 0;
}

static int mm_dup(struct vmemu *m, struct mm_struct *child,
		  struct mm_struct *parent)
{
	struct cow_context *c = context_alloc(m, child), *above, *root;

	if (!c)
		return -1;
	ptl_lock(m, parent);
	above = cow_context_of(m, parent);
	root = cow_context_root(m, above);
	spin_lock(m, LOCK_rmap, &root->lock);
	owned(m, cow_tree, root);
	c->parent = kaddr(m, above);
	c->root = above->root;
	list_add_tail(m, &c->siblings, &above->children);
	touch(m, STEP_add, &above->refcount);
	above->refcount++;
	spin_unlock(m, LOCK_rmap, &root->lock);
	ptl_unlock(m, parent);
	cow_context_tail(child)->context = kaddr(m, c);
	return 0;
}

static struct cow_context *child_at(struct vmemu *m, kptr siblings)
{
	return ENTRY(m, siblings, cow_context, siblings);
}

static struct cow_context *only_child(struct vmemu *m,
				      const struct cow_context *c)
{
	if (list_empty(m, &c->children) || c->children.next != c->children.prev)
		return NULL;
	return child_at(m, c->children.next);
}

static bool has_page(struct vmemu *m, const struct cow_context *c)
{
	int32_t others = c->mm != 0;
	kptr k;

	for (k = c->children.next; k != kaddr(m, &c->children);
	     k = HOST(m, list_head, k)->next)
		others++;
	return c->refcount > others;
}

/* A dead context without pages, but with one child, which takes its place. */
static void splice_out(struct vmemu *m, struct cow_context *c,
		       struct cow_context *child)
{
	child->parent = c->parent;
	list_del(m, &child->siblings);
	list_add(m, &child->siblings, &c->siblings);
	list_del(m, &c->siblings);
	kmem_cache_free(m, CACHE_cow_context, c);
}

/*
 * A dead context with pages takes its only child's place, which has none: what
 * the child's page could have pointed at, they may point at.  The child's mm may
 * be about to get a page: not if we have its page_table_lock.
 */
static void take_over(struct vmemu *m, struct cow_context *c,
		      struct cow_context *child)
{
	struct mm_struct *mm = child->mm ? HOST(m, mm_struct, child->mm) : NULL;
	kptr k, end = kaddr(m, &child->children);

	if (mm && !ptl_trylock(m, mm))
		return;
	if (has_page(m, child))
		goto out;
	c->mm = child->mm;
	c->remaps = child->remaps;
	c->stale = child->stale;
	list_del(m, &child->siblings);
	while ((k = child->children.next) != end) {
		struct cow_context *grandchild = child_at(m, k);

		list_del(m, &grandchild->siblings);
		list_add_tail(m, &grandchild->siblings, &c->children);
		grandchild->parent = kaddr(m, c);
	}
	/* One child less, and all that counted for the child. */
	c->refcount += child->refcount - 1;
	if (mm)
		cow_context_tail(mm)->context = kaddr(m, c);
	kmem_cache_free(m, CACHE_cow_context, child);
out:
	if (mm)
		ptl_unlock(m, mm);
}

/*
 * A dead context has lost something: it may go, and those above with it.  True:
 * the root is free, when its lock has been given back.  take: the caller has
 * nobody's page_table_lock.
 */
static bool settle(struct vmemu *m, struct cow_context *c, bool take)
{
	struct cow_context *root = cow_context_root(m, c), *child;

	owned(m, cow_tree, root);
	while (!c->mm && list_empty(m, &c->children)) {
		struct cow_context *parent;

		if (c->refcount) /* a walk has it */
			return false;
		if (c == root)
			return true;
		parent = cow_context_at(m, c->parent);
		list_del(m, &c->siblings);
		kmem_cache_free(m, CACHE_cow_context, c);
		touch(m, STEP_write, &parent->refcount);
		parent->refcount--;
		c = parent;
	}
	child = only_child(m, c);
	if (!prunes(m) || c->mm || !child)
		return false;
	if (c->refcount == 1 && c != root)
		splice_out(m, c, child);
	else if (take)
		take_over(m, c, child);
	return false;
}

/* Drops references to a context whose last one, or last page, this may be. */
static void put_slowly(struct vmemu *m, struct cow_context *c, int32_t refs,
		       bool take)
{
	struct cow_context *root = cow_context_root(m, c);
	bool over = false;

	spin_lock(m, LOCK_rmap, &root->lock);
	touch(m, STEP_write, &c->refcount);
	BUG_ON(m, c->refcount < refs + (c->mm != 0));
	c->refcount -= refs;
	if (!c->mm)
		over = settle(m, c, take);
	spin_unlock(m, LOCK_rmap, &root->lock);
	if (over)
		kmem_cache_free(m, CACHE_cow_context, root);
}

/*
 * An atomic decrement, unless it might free: then under the lock.  That cannot
 * be while walk() unmaps under the lock, since it counts itself too.
 */
static void put_anon(struct vmemu *m, kptr mapping, int32_t pages)
{
	struct cow_context *c = cow_context_at(m, mapping);

	touch(m, STEP_write, &c->refcount);
	if (c->mm || c->refcount - pages > prunes(m))
		c->refcount -= pages;
	else
		put_slowly(m, c, pages, false);
}

static void mm_exit(struct vmemu *m, struct mm_struct *mm)
{
	struct cow_context *c, *root;
	kptr remaps;

	ptl_lock(m, mm);
	c = cow_context_of(m, mm);
	root = cow_context_root(m, c);
	spin_lock(m, LOCK_rmap, &root->lock);
	owned(m, cow_tree, root);
	owned(m, cow_remaps, c);
	remaps = c->remaps;
	c->remaps = 0;
	c->stale = 0;
	c->mm = 0;
	cow_context_tail(mm)->context = 0;
	spin_unlock(m, LOCK_rmap, &root->lock);
	ptl_unlock(m, mm);
	cow_remap_free(m, remaps);
	put_slowly(m, c, 1, true);
}

/* ---- pages -------------------------------------------------------------------- */

/*
 * A page from swap, its pte's entry not given back yet: nobody else has the
 * entry.  Only fork of this mm, which waits, could change that.
 */
static bool comes_back_alone(struct vmemu *m, const struct page *page)
{
	return page->flags & PG_swapcache && swap_count(m, page->private) == 2;
}

/*
 * What comes back from swap and others have too may have been anybody's in the
 * family: then it is the root's, from which all descend.
 */
static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	struct cow_context *c =
		cow_context_of(m, HOST(m, mm_struct, vma->vm_mm));
	kulong at = address >> PAGE_SHIFT,
	       index = at - cow_remap_offset(m, c, at);
	bool alone = how == ADD_NEW;

	if (how == ADD_AGAIN) {
		BUG_ON(m, cow_context_at(m, page->mapping)->root != c->root);
		BUG_ON(m, page->index != index);
		page->flags &= ~(kulong)PG_exclusive;
		return 0;
	}
	if (how == ADD_BACK)
		alone = comes_back_alone(m, page);
	if (alone)
		page->flags |= PG_exclusive;
	else
		c = cow_context_root(m, c);
	page->mapping = kaddr(m, c);
	page->index = index;
	touch(m, STEP_add, &c->refcount);
	c->refcount++;
	return 0;
}

static void remove_anon(struct vmemu *m, struct page *page)
{
	(void)m;
	page->flags &= ~(kulong)PG_exclusive;
}

/* The page is the faulting mm's alone: walks need not begin above. */
static void own_anon(struct vmemu *m, struct page *page,
		     struct vm_area_struct *vma, kulong address)
{
	struct cow_context *c =
		cow_context_of(m, HOST(m, mm_struct, vma->vm_mm));
	kptr before = page->mapping;

	(void)address;
	owned(m, mapcount, page);
	touch(m, STEP_write, &page->flags);
	page->flags |= PG_exclusive;
	if (before == kaddr(m, c))
		return;
	touch(m, STEP_add, &c->refcount);
	c->refcount++;
	page->mapping = kaddr(m, c);
	put_anon(m, before, 1);
}

static void dup_pte(struct vmemu *m, struct page *page,
		    struct vm_area_struct *parents, struct mm_struct *child,
		    const pte_t *pte)
{
	(void)parents, (void)child, (void)pte;
	touch(m, STEP_write, &page->flags);
	page->flags &= ~(kulong)PG_exclusive;
}

/* ---- the walk ----------------------------------------------------------------- */

/* What a walk looks for, which its own success may take from the page. */
struct cow_walk {
	struct page *page;
	struct rmap_search *search;
	kulong index;
};

/* An index may count on below 0, where a stack has grown that was moved. */
static bool is_user(const struct vmemu *m, kulong page)
{
	(void)m;
	return page < TASK_SIZE(m) >> PAGE_SHIFT;
}

/* Who only asks takes no lock, but sees that somebody has it. */
static bool is_busy(struct vmemu *m, struct mm_struct *mm)
{
	const struct rmap_finding *finding = m->check.finding;

	if (unlikely(finding && finding->log))
		return mm->page_table_lock & 1;
	return !ptl_trylock(m, mm);
}

/*
 * Whether the page may be at its index plus offset in the context's mm: not where
 * nothing is mapped, or what has come from another place.
 */
static enum rmap_verdict judge(struct vmemu *m, const struct cow_context *c,
			       struct mm_struct *mm, kulong page, klong offset)
{
	const struct vm_area_struct *vma;
	enum rmap_verdict verdict = TRIED_RANGE;

	if (!is_user(m, page) || cow_remap_offset(m, c, page) != offset)
		return TRIED_RANGE;
	if (is_busy(m, mm))
		return TRIED_BUSY;
	vma = find_vma_prev(m, mm, page << PAGE_SHIFT, NULL);
	if (vma && vma->vm_start <= page << PAGE_SHIFT)
		verdict = TRIED_MATCH;
	ptl_unlock(m, mm);
	return verdict;
}

/* False: that is enough. */
static bool try_offset(struct vmemu *m, struct cow_walk *w,
		       const struct cow_context *c, struct mm_struct *mm,
		       klong offset)
{
	kulong page = w->index + offset;
	enum rmap_verdict verdict = judge(m, c, mm, page, offset);

	if (verdict != TRIED_MATCH) {
		rmap_reject_at(m, w->search, verdict, kaddr(m, mm), 0,
			       is_user(m, page) ? page << PAGE_SHIFT : 0);
		return true;
	}
	return rmap_try(m, w->page, w->search, mm, NULL, page << PAGE_SHIFT);
}

/* One context; false: that is enough. */
static bool try_context(struct vmemu *m, struct cow_walk *w,
			const struct cow_context *c)
{
	struct mm_struct *mm = c->mm ? HOST(m, mm_struct, c->mm) : NULL;
	struct cow_remap *node;
	struct cow_remap_entry *e;

	if (!mm) {
		rmap_reject(m, w->search, TRIED_DEAD, 0, 0);
		return true;
	}
	if (!rmap_lives(m, w->search, mm))
		return true;
	if (!try_offset(m, w, c, mm, 0))
		return false;
	for_each_remap(m, c->remaps, node, e) {
		kulong at = w->index + e->offset;

		if (at >= e->start && at < e->end &&
		    !try_offset(m, w, c, mm, e->offset))
			return false;
	}
	return true;
}

/* Depth first; NULL behind the last below top. */
static struct cow_context *next_below(struct vmemu *m,
				      const struct cow_context *top,
				      struct cow_context *c)
{
	if (!list_empty(m, &c->children))
		return child_at(m, c->children.next);
	while (c != top) {
		struct cow_context *parent = cow_context_at(m, c->parent);

		if (c->siblings.next != kaddr(m, &parent->children))
			return child_at(m, c->siblings.next);
		c = parent;
	}
	return NULL;
}

/*
 * prune: of a dead context with one child, only what is below that has its pages:
 * give this one to it, so that the dead one drains.  The lowest such.
 */
static struct cow_context *lower(struct vmemu *m, struct page *page,
				 const struct rmap_search *search,
				 struct cow_context *c)
{
	struct cow_context *child;

	while (prunes(m) && !c->mm && (child = only_child(m, c)) != NULL)
		c = child;
	if (kaddr(m, c) != page->mapping && !search->asked) {
		owned(m, mapcount, page);
		page->mapping = kaddr(m, c);
		touch(m, STEP_add, &c->refcount);
		c->refcount++;
		count(m, CNT_rmap_migrated);
	}
	return c;
}

static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	struct cow_walk w = { .page = page,
			      .search = search,
			      .index = page->index };
	struct cow_context *before = cow_context_at(m, page->mapping);
	struct cow_context *root = cow_context_root(m, before), *own, *c;

	spin_lock(m, LOCK_rmap, &root->lock);
	own = lower(m, page, search, before);
	touch(m, STEP_add, &own->refcount);
	own->refcount++; /* the last pte's going must not free it under the lock */
	c = own;
	while (c && try_context(m, &w, c))
		c = next_below(m, own, c);
	spin_unlock(m, LOCK_rmap, &root->lock);
	put_anon(m, kaddr(m, own), 1);
	if (own != before && !search->asked)
		put_anon(m, kaddr(m, before), 1);
}

static bool owns_cow_tree(struct vmemu *m, const void *object)
{
	const struct cow_context *root = object;

	return holds_lock(m, LOCK_rmap, &root->lock);
}

static bool owns_cow_remaps(struct vmemu *m, const void *object)
{
	const struct cow_context *c = object;
	const struct mm_struct *mm = HOST(m, mm_struct, c->mm);

	return holds_lock(m, LOCK_rmap, &cow_context_root(m, c)->lock) &&
	       holds_lock(m, LOCK_page_table, &mm->page_table_lock);
}

const struct rmap_ops rmap_cow_context = {
	.name = "cow_context",
	.keeps_exclusive = 1,
	.mm_tail = sizeof(struct cow_context_tail),
	.caches = { { "cow_context", sizeof(struct cow_context), sizeof(kptr),
		      0 },
		    { "cow_remap", COW_REMAP_SIZE, sizeof(kptr), 0 } },
	.lock_name = "cow_context_lock", /* of a family's root */
	.rules = { { "cow_context.children, parent, mm",
		     "cow_context_lock of the root", owns_cow_tree },
		   { "cow_context.remaps",
		     "page_table_lock and cow_context_lock of the root",
		     owns_cow_remaps } },
	.locks_vma_tree = 1,
	.mm_init = mm_init,
	.mm_dup = mm_dup,
	.mm_exit = mm_exit,
	.vma_dup = cow_remap_dup,
	.add_anon = add_anon,
	.remove_anon = remove_anon,
	.put_anon = put_anon,
	.own_anon = own_anon,
	.dup_pte = dup_pte,
	.walk = walk,
};
