/*
 * rmap/anon_vma_chain.c - Rik van Riel's anon_vma_chain (2.6.34, March 2010).
 *
 * Each vma has an anon_vma of its own for the pages it gets from now on, also in
 * a forked child.  Pages that it has inherited stay with its ancestors', so a
 * vma is on the lists of all of these: an anon_vma_chain stands for one vma on
 * one list.  A page of a child's own leads to that child alone.
 *
 * Costs 12 bytes per vma, 16 per anon_vma and 24 per anon_vma_chain, of which a
 * vma has one for each generation.  What breaks it: deep families (fork
 * copies the whole chain, and no ancestor's anon_vma goes before the last
 * descendant), splits, which can fail now, and one lock for a family.
 *
 * That lock is the root's, as since 2.6.36: before, each anon_vma had its own,
 * and a vma's ends moved under one of those that find it.
 *
 * Options: interval trees instead of lists (3.7), where a page leads to just the
 * vmas that have its offset; and reuse (3.19, as corrected in 2022): a forked vma
 * gets an ancestor's anon_vma for its own that nobody else has any more, so a
 * chain of forks does not grow without bound.
 *
 * No reference count: who is on an anon_vma's list is on all its ancestors',
 * so the root's list empties last.
 */
#include "base/interval_tree.h"
#include "core/core.h"
#include "mm/mm.h"
#include "rmap/avc.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

static struct avc_anon_vma *anon_vma_at(struct vmemu *m, kptr k)
{
	return HOST(m, avc_anon_vma, k);
}

static struct avc_tail *tail(const struct vm_area_struct *vma)
{
	return (struct avc_tail *)(vma + 1);
}

static struct anon_vma_chain *of_vma(struct vmemu *m, kptr node)
{
	return ENTRY(m, node, anon_vma_chain, same_vma);
}

kptr avc_anon_vma(const struct vm_area_struct *vma)
{
	return tail(vma)->anon_vma;
}

kptr avc_first(struct vmemu *m, const struct vm_area_struct *vma)
{
	const struct list_head *chain = &tail(vma)->chain;

	return chain->next && !list_empty(m, chain) ?
		       of_vma(m, chain->next)->anon_vma :
		       0;
}

int avc_singular(struct vmemu *m, const struct vm_area_struct *vma)
{
	const struct list_head *chain = &tail(vma)->chain;

	return tail(vma)->anon_vma && chain->next == chain->prev &&
	       !list_empty(m, chain);
}

static bool has_trees(const struct vmemu *m)
{
	return m->rmap_option[AVC_TREE] != 0;
}

static bool reuses(const struct vmemu *m)
{
	return m->rmap_option[AVC_REUSE] != 0;
}

uint32_t avc_cache_size(const struct vmemu *m, int i)
{
	if (CACHE_rmap + i == CACHE_anon_vma_chain)
		return has_trees(m) ? sizeof(struct avc_interval) :
				      sizeof(struct anon_vma_chain);
	return sizeof(struct avc_anon_vma) +
	       (reuses(m) ? sizeof(struct avc_degree) : 0);
}

static struct avc_degree *degree_of(struct avc_anon_vma *a)
{
	return (struct avc_degree *)(a + 1);
}

/* ---- objects ------------------------------------------------------------------ */

static struct anon_vma_chain *
make_chain(struct vmemu *m, struct vm_area_struct *vma, kptr anon_vma)
{
	struct anon_vma_chain *avc =
		kmem_cache_alloc(m, CACHE_anon_vma_chain, GFP_KERNEL);

	if (avc) {
		avc->vma = kaddr(m, vma);
		avc->anon_vma = anon_vma;
	}
	return avc;
}

/* parent 0: it is a root. */
static struct avc_anon_vma *make_anon_vma(struct vmemu *m, kptr parent)
{
	struct avc_anon_vma *a =
		kmem_cache_alloc(m, CACHE_avc_anon_vma, GFP_KERNEL);

	if (!a)
		return NULL;
	a->root = parent ? anon_vma_at(m, parent)->root : kaddr(m, a);
	if (!has_trees(m))
		list_init(m, &a->head);
	if (reuses(m))
		degree_of(a)->parent = parent;
	return a;
}

static bool is_unused(struct vmemu *m, const struct avc_anon_vma *a)
{
	return has_trees(m) ? !a->head.next : list_empty(m, &a->head);
}

static void free_anon_vma(struct vmemu *m, struct avc_anon_vma *a)
{
	BUG_ON(m, !is_unused(m, a));
	kmem_cache_free(m, CACHE_avc_anon_vma, a);
}

/* ---- lists, under the root's lock --------------------------------------------- */

static struct avc_anon_vma *lock_root(struct vmemu *m, kptr anon_vma)
{
	struct avc_anon_vma *root =
		anon_vma_at(m, anon_vma_at(m, anon_vma)->root);

	spin_lock(m, LOCK_rmap, &root->lock);
	return root;
}

static void unlock_root(struct vmemu *m, struct avc_anon_vma *root)
{
	spin_unlock(m, LOCK_rmap, &root->lock);
}

static const struct vm_area_struct *area_of(struct vmemu *m, kptr avc)
{
	return HOST(m, vm_area_struct, HOST(m, avc_interval, avc)->vma);
}

/* The links of an anon_vma, if it has a tree of them. */
static struct interval_tree tree_of(struct avc_anon_vma *a)
{
	return (struct interval_tree){
		.root = &a->head.next,
		.node = offsetof(struct avc_interval, rb_parent),
		.area = area_of,
		.counter = CNT_rmap_tree_nodes,
	};
}

static void insert_interval(struct vmemu *m, struct avc_anon_vma *a,
			    const struct anon_vma_chain *avc)
{
	struct interval_tree tree = tree_of(a);

	interval_tree_insert(m, &tree, kaddr(m, avc));
}

static void erase_interval(struct vmemu *m, struct avc_anon_vma *a,
			   const struct anon_vma_chain *avc)
{
	struct interval_tree tree = tree_of(a);

	interval_tree_erase(m, &tree, kaddr(m, avc));
}

/* A vma comes behind those it was copied from; a first write brings it to the
 * front. */
static void list_chain(struct vmemu *m, struct anon_vma_chain *avc, bool front)
{
	struct avc_anon_vma *a = anon_vma_at(m, avc->anon_vma);

	owned(m, avc_list, a);
	if (has_trees(m))
		insert_interval(m, a, avc);
	else if (front)
		list_add(m, &avc->same_anon_vma, &a->head);
	else
		list_add_tail(m, &avc->same_anon_vma, &a->head);
}

static void unlist_chain(struct vmemu *m, struct anon_vma_chain *avc)
{
	struct avc_anon_vma *a = anon_vma_at(m, avc->anon_vma);

	owned(m, avc_list, a);
	if (has_trees(m))
		erase_interval(m, a, avc);
	else
		list_del(m, &avc->same_anon_vma);
}

/* a becomes vma's own, or is so no longer. */
static void set_own(struct vmemu *m, struct vm_area_struct *vma, kptr a)
{
	kptr old = tail(vma)->anon_vma;

	if (reuses(m) && old)
		degree_of(anon_vma_at(m, old))->num_active_vmas--;
	if (reuses(m) && a)
		degree_of(anon_vma_at(m, a))->num_active_vmas++;
	tail(vma)->anon_vma = a;
}

/* Its list is empty.  Its parent, older, goes later or not at all. */
static void put_anon_vma(struct vmemu *m, struct avc_anon_vma *a)
{
	if (reuses(m) && degree_of(a)->parent)
		degree_of(anon_vma_at(m, degree_of(a)->parent))->num_children--;
	free_anon_vma(m, a);
}

/* ---- a vma's chain ------------------------------------------------------------ */

/* Those of a chain that no list has yet. */
static void drop_chain(struct vmemu *m, struct vm_area_struct *vma)
{
	struct list_head *head = &tail(vma)->chain;

	while (!list_empty(m, head)) {
		struct anon_vma_chain *avc = of_vma(m, head->next);

		list_del(m, &avc->same_vma);
		kmem_cache_free(m, CACHE_anon_vma_chain, avc);
	}
}

/* As many for new as old has, in the same order; mmap_sem keeps old's. */
static int copy_chain(struct vmemu *m, struct vm_area_struct *new,
		      const struct vm_area_struct *old)
{
	const struct list_head *from = &tail(old)->chain;
	kptr head = kaddr(m, from), k;

	owned(m, avc_chain, new);
	list_init(m, &tail(new)->chain);
	for (k = from->prev; k != head; k = HOST(m, list_head, k)->prev) {
		struct anon_vma_chain *avc =
			make_chain(m, new, of_vma(m, k)->anon_vma);

		if (!avc) {
			drop_chain(m, new);
			return -1;
		}
		list_add(m, &avc->same_vma, &tail(new)->chain);
	}
	return 0;
}

/* They go on their lists, that of the oldest ancestor first. */
static void list_vma(struct vmemu *m, struct vm_area_struct *vma)
{
	struct list_head *chain = &tail(vma)->chain;
	kptr head = kaddr(m, chain), k;

	for (k = chain->prev; k != head; k = HOST(m, list_head, k)->prev)
		list_chain(m, of_vma(m, k), false);
}

int avc_clone(struct vmemu *m, struct vm_area_struct *new,
	      const struct vm_area_struct *old)
{
	kptr first = avc_first(m, old);
	struct avc_anon_vma *root;

	if (!first)
		return 0;
	if (copy_chain(m, new, old))
		return -1;
	root = lock_root(m, first);
	list_vma(m, new);
	set_own(m, new, tail(old)->anon_vma);
	unlock_root(m, root);
	return 0;
}

/*
 * The vma leaves all lists.  An anon_vma whose list is empty goes; the root last,
 * and after its lock.
 */
void avc_unlink(struct vmemu *m, struct vm_area_struct *vma)
{
	struct list_head *chain = &tail(vma)->chain;
	struct avc_anon_vma *root;
	bool last;

	if (!chain->next || list_empty(m, chain))
		return;
	root = lock_root(m, of_vma(m, chain->next)->anon_vma);
	set_own(m, vma, 0);
	while (!list_empty(m, chain)) {
		struct anon_vma_chain *avc = of_vma(m, chain->next);
		struct avc_anon_vma *a = anon_vma_at(m, avc->anon_vma);

		unlist_chain(m, avc);
		list_del(m, &avc->same_vma);
		kmem_cache_free(m, CACHE_anon_vma_chain, avc);
		if (a != root && is_unused(m, a))
			put_anon_vma(m, a);
	}
	last = is_unused(m, root);
	unlock_root(m, root);
	if (last)
		free_anon_vma(m, root);
}

/*
 * The first write fault gives vma its anon_vma.  Threads fault under mmap_sem for
 * read: page_table_lock decides who was first.
 */
static bool install(struct vmemu *m, struct vm_area_struct *vma,
		    struct anon_vma_chain *avc)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	struct avc_anon_vma *root;
	bool first;

	ptl_lock(m, mm);
	first = tail(vma)->anon_vma == 0;
	touch(m, STEP_read, &tail(vma)->anon_vma);
	if (first) {
		owned(m, avc_chain, vma);
		touch(m, STEP_write, &tail(vma)->anon_vma);
		list_init(m, &tail(vma)->chain);
		list_add(m, &avc->same_vma, &tail(vma)->chain);
		root = lock_root(m, avc->anon_vma);
		set_own(m, vma, avc->anon_vma);
		list_chain(m, avc, true);
		unlock_root(m, root);
	}
	ptl_unlock(m, mm);
	return first;
}

int avc_prepare(struct vmemu *m, struct vm_area_struct *vma, kptr adopted)
{
	struct anon_vma_chain *avc = make_chain(m, vma, adopted);

	if (!avc)
		return -1;
	if (!adopted) {
		struct avc_anon_vma *a = make_anon_vma(m, 0);

		if (!a) {
			kmem_cache_free(m, CACHE_anon_vma_chain, avc);
			return -1;
		}
		avc->anon_vma = kaddr(m, a);
	}
	if (install(m, vma, avc))
		return 0;
	if (!adopted)
		free_anon_vma(m, anon_vma_at(m, avc->anon_vma));
	kmem_cache_free(m, CACHE_anon_vma_chain, avc);
	return 0;
}

/* fork's child gets an anon_vma of its own, besides those of its parents. */
int avc_add_own(struct vmemu *m, struct vm_area_struct *new, kptr parent)
{
	struct avc_anon_vma *a = make_anon_vma(m, parent), *root;
	struct anon_vma_chain *avc;

	if (!a)
		return -1;
	avc = make_chain(m, new, kaddr(m, a));
	if (!avc) {
		free_anon_vma(m, a);
		return -1;
	}
	if (!parent)
		list_init(m, &tail(new)->chain);
	list_add(m, &avc->same_vma, &tail(new)->chain);
	root = lock_root(m, kaddr(m, a));
	list_chain(m, avc, false);
	set_own(m, new, kaddr(m, a));
	if (reuses(m) && parent)
		degree_of(anon_vma_at(m, parent))->num_children++;
	unlock_root(m, root);
	return 0;
}

/*
 * The oldest ancestor's that nobody has for his own any more, and that has one
 * child at most: new gets it instead of one more.  A root is not for reuse.
 */
static void adopt(struct vmemu *m, struct vm_area_struct *new, kptr parent)
{
	struct list_head *chain = &tail(new)->chain;
	kptr head = kaddr(m, chain), k;

	for (k = chain->prev; k != head; k = HOST(m, list_head, k)->prev) {
		kptr found = of_vma(m, k)->anon_vma;
		const struct avc_degree *degree =
			degree_of(anon_vma_at(m, found));

		if (found != parent && degree->parent &&
		    degree->num_children < 2 && !degree->num_active_vmas) {
			set_own(m, new, found);
			return;
		}
	}
}

static int vma_dup(struct vmemu *m, struct vm_area_struct *new,
		   struct vm_area_struct *old)
{
	kptr parent = tail(old)->anon_vma;
	struct avc_anon_vma *root;

	if (!parent)
		return 0;
	if (copy_chain(m, new, old))
		return -1;
	root = lock_root(m, parent);
	list_vma(m, new);
	if (reuses(m))
		adopt(m, new, parent);
	unlock_root(m, root);
	if (tail(new)->anon_vma || !avc_add_own(m, new, parent))
		return 0;
	avc_unlink(m, new);
	return -1;
}

/* While its offsets change a vma is in no tree. */
void avc_range_changes(struct vmemu *m, struct vm_area_struct *vma)
{
	struct list_head *chain = &tail(vma)->chain;
	kptr head = kaddr(m, chain), k;

	if (!has_trees(m) || !avc_first(m, vma))
		return;
	for (k = chain->next; k != head; k = HOST(m, list_head, k)->next)
		unlist_chain(m, of_vma(m, k));
}

void avc_range_changed(struct vmemu *m, struct vm_area_struct *vma)
{
	if (has_trees(m) && avc_first(m, vma))
		list_vma(m, vma);
}

/* Where both have one it is the same: else no boundary moves between them. */
uint32_t *avc_range_lock(struct vmemu *m, const struct vm_area_struct *vma,
			 const struct vm_area_struct *next)
{
	kptr k = avc_first(m, vma);

	if (!k && next)
		k = avc_first(m, next);
	return k ? &anon_vma_at(m, anon_vma_at(m, k)->root)->lock : NULL;
}

/* ---- pages -------------------------------------------------------------------- */

static int prepared(struct vmemu *m, struct vm_area_struct *vma)
{
	shared(m, STEP_read, &tail(vma)->anon_vma);
	return tail(vma)->anon_vma != 0;
}

/*
 * A page from swap may be anybody's of the family who has its entry: only the
 * oldest anon_vma finds them all.
 */
static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	kptr own = tail(vma)->anon_vma;
	kulong index = vma_pgoff(vma, address);

	if (BUG_ON(m, own == 0))
		return 0;
	if (how == ADD_AGAIN) {
		BUG_ON(m, anon_vma_at(m, page->mapping)->root !=
				  anon_vma_at(m, own)->root);
		BUG_ON(m, page->index != index);
		return 0;
	}
	page->mapping = how == ADD_BACK ? anon_vma_at(m, own)->root : own;
	page->index = index;
	return 0;
}

/* page_move_anon_rmap(): nobody else need be asked for it any more. */
static void own_anon(struct vmemu *m, struct page *page,
		     struct vm_area_struct *vma, kulong address)
{
	(void)address;
	if (BUG_ON(m, !tail(vma)->anon_vma))
		return;
	owned(m, mapcount, page);
	touch(m, STEP_write, &page->mapcount); /* and mapping */
	page->mapping = tail(vma)->anon_vma;
}

/* Whether there may be more ptes than in this vma and those before. */
static bool try_vma(struct vmemu *m, struct page *page,
		    struct rmap_search *search,
		    const struct anon_vma_chain *avc)
{
	struct vm_area_struct *vma = HOST(m, vm_area_struct, avc->vma);
	kulong address;

	return !rmap_in_vma(m, page, search, vma, &address) ||
	       rmap_try(m, page, search, HOST(m, mm_struct, vma->vm_mm), vma,
			address);
}

static void walk_list(struct vmemu *m, struct page *page,
		      struct rmap_search *search, const struct list_head *list)
{
	kptr head = kaddr(m, list), k;

	for (k = list->next; k != head; k = HOST(m, list_head, k)->next)
		if (!try_vma(m, page, search,
			     ENTRY(m, k, anon_vma_chain, same_anon_vma)))
			break;
}

static void walk_tree(struct vmemu *m, struct page *page,
		      struct rmap_search *search, struct avc_anon_vma *a)
{
	struct interval_tree tree = tree_of(a);
	kulong at = page->index;
	kptr k = interval_tree_first(m, &tree, at, at);

	while (k && try_vma(m, page, search, HOST(m, anon_vma_chain, k)))
		k = interval_tree_next(m, &tree, k, at, at);
}

void avc_walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	struct avc_anon_vma *a = anon_vma_at(m, page->mapping);
	struct avc_anon_vma *root = lock_root(m, page->mapping);

	if (has_trees(m))
		walk_tree(m, page, search, a);
	else
		walk_list(m, page, search, &a->head);
	unlock_root(m, root);
}

bool avc_owns_chain(struct vmemu *m, const void *vma)
{
	const struct vm_area_struct *area = vma;
	const struct mm_struct *mm = HOST(m, mm_struct, area->vm_mm);

	return may_change_vmas(m, mm) ||
	       holds_lock(m, LOCK_page_table, &mm->page_table_lock);
}

bool avc_owns_list(struct vmemu *m, const void *object)
{
	const struct avc_anon_vma *a = object;

	return holds_lock(m, LOCK_rmap, &anon_vma_at(m, a->root)->lock);
}

const struct rmap_ops rmap_anon_vma_chain = {
	.name = "anon_vma_chain",
	.vma_tail = sizeof(struct avc_tail),
	.caches = { { "anon_vma", sizeof(struct avc_anon_vma), sizeof(kptr),
		      1 },
		    { "anon_vma_chain", sizeof(struct anon_vma_chain),
		      sizeof(kptr), 0 } },
	.cache_size = avc_cache_size,
	.lock_name = "anon_vma_lock", /* of a family's root */
	.rules = { { "vm_area_struct.anon_vma, anon_vma_chain",
		     "page_table_lock, or mmap_sem for write", avc_owns_chain },
		   { "anon_vma.head", "anon_vma_lock of the root",
		     avc_owns_list } },
	.range_lock = avc_range_lock,
	.prepared = prepared,
	.vma_dup = vma_dup,
	.vma_free = avc_unlink,
	.range_changes = avc_range_changes,
	.range_changed = avc_range_changed,
	.add_anon = add_anon,
	.own_anon = own_anon,
	.walk = avc_walk,
};
