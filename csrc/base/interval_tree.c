/*
 * base/interval_tree.c - a red-black tree of areas by the offsets that they have.
 *
 * Keyed by where their intervals [vm_pgoff, last] begin; each node knows the largest
 * end below it (Cormen et al., interval trees).  Links lead from object to object; 1
 * in rb_parent: black.
 *
 * Offsets may wrap around: the interval of such an area, and of an empty one, is
 * everything, so that it is met by each search.
 */
#include "base/interval_tree.h"
#include "core/core.h"

struct interval {
	kulong start, last;
};

static struct interval_node *at(struct vmemu *m,
				const struct interval_tree *tree, kptr k)
{
	return HOST(m, interval_node, k + tree->node);
}

static struct interval interval_of(struct vmemu *m,
				   const struct interval_tree *tree, kptr k)
{
	const struct vm_area_struct *vma = tree->area(m, k);
	kulong pages = (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
	struct interval i = { vma->vm_pgoff, vma->vm_pgoff + pages - 1 };

	return i.last < i.start ? (struct interval){ 0, ~(kulong)0 } : i;
}

static kptr parent_of(struct vmemu *m, const struct interval_tree *tree, kptr k)
{
	return at(m, tree, k)->rb_parent & ~(kptr)1;
}

static bool is_red(struct vmemu *m, const struct interval_tree *tree, kptr k)
{
	return k && !(at(m, tree, k)->rb_parent & 1);
}

static void set_parent(struct vmemu *m, const struct interval_tree *tree,
		       kptr k, kptr parent)
{
	at(m, tree, k)->rb_parent = parent | (at(m, tree, k)->rb_parent & 1);
}

static void set_black(struct vmemu *m, const struct interval_tree *tree, kptr k,
		      bool black)
{
	at(m, tree, k)->rb_parent = parent_of(m, tree, k) | black;
}

static void update_last(struct vmemu *m, const struct interval_tree *tree,
			kptr k)
{
	struct interval_node *node = at(m, tree, k);
	kulong last = interval_of(m, tree, k).last;

	if (node->rb_left && at(m, tree, node->rb_left)->rb_subtree_last > last)
		last = at(m, tree, node->rb_left)->rb_subtree_last;
	if (node->rb_right &&
	    at(m, tree, node->rb_right)->rb_subtree_last > last)
		last = at(m, tree, node->rb_right)->rb_subtree_last;
	node->rb_subtree_last = last;
}

static void replace_child(struct vmemu *m, const struct interval_tree *tree,
			  kptr parent, kptr old, kptr new)
{
	if (!parent)
		*tree->root = new;
	else if (at(m, tree, parent)->rb_left == old)
		at(m, tree, parent)->rb_left = new;
	else
		at(m, tree, parent)->rb_right = new;
	if (new)
		set_parent(m, tree, new, parent);
}

/* Lifts the right (or left) child of x into its place. */
static void rotate(struct vmemu *m, const struct interval_tree *tree, kptr x,
		   bool left)
{
	struct interval_node *nx = at(m, tree, x);
	kptr y = left ? nx->rb_right : nx->rb_left;
	struct interval_node *ny = at(m, tree, y);
	kptr middle = left ? ny->rb_left : ny->rb_right;

	replace_child(m, tree, parent_of(m, tree, x), x, y);
	if (left) {
		nx->rb_right = middle;
		ny->rb_left = x;
	} else {
		nx->rb_left = middle;
		ny->rb_right = x;
	}
	set_parent(m, tree, x, y);
	if (middle)
		set_parent(m, tree, middle, x);
	ny->rb_subtree_last = nx->rb_subtree_last;
	update_last(m, tree, x);
}

static void insert_fixup(struct vmemu *m, const struct interval_tree *tree,
			 kptr k)
{
	kptr parent;

	while (is_red(m, tree, parent = parent_of(m, tree, k))) {
		kptr grand = parent_of(m, tree, parent);
		bool left = at(m, tree, grand)->rb_left == parent;
		kptr uncle = left ? at(m, tree, grand)->rb_right :
				    at(m, tree, grand)->rb_left;

		if (is_red(m, tree, uncle)) {
			set_black(m, tree, parent, true);
			set_black(m, tree, uncle, true);
			set_black(m, tree, grand, false);
			k = grand;
			continue;
		}
		if (k == (left ? at(m, tree, parent)->rb_right :
				 at(m, tree, parent)->rb_left)) {
			rotate(m, tree, parent, left);
			k = parent;
			parent = parent_of(m, tree, k);
		}
		set_black(m, tree, parent, true);
		set_black(m, tree, grand, false);
		rotate(m, tree, grand, !left);
	}
	set_black(m, tree, *tree->root, true);
}

/* Of those that begin together the newest comes last. */
void interval_tree_insert(struct vmemu *m, const struct interval_tree *tree,
			  kptr k)
{
	struct interval own = interval_of(m, tree, k);
	struct interval_node *node = at(m, tree, k);
	kptr *slot = tree->root, parent = 0;

	while (*slot) {
		struct interval_node *above = at(m, tree, *slot);

		parent = *slot;
		if (above->rb_subtree_last < own.last)
			above->rb_subtree_last = own.last;
		slot = own.start < interval_of(m, tree, parent).start ?
			       &above->rb_left :
			       &above->rb_right;
	}
	node->rb_left = node->rb_right = 0;
	node->rb_parent = parent; /* red */
	node->rb_subtree_last = own.last;
	*slot = k;
	insert_fixup(m, tree, k);
}

static void erase_fixup(struct vmemu *m, const struct interval_tree *tree,
			kptr x, kptr parent)
{
	while (x != *tree->root && !is_red(m, tree, x)) {
		bool left = at(m, tree, parent)->rb_left == x;
		kptr sibling = left ? at(m, tree, parent)->rb_right :
				      at(m, tree, parent)->rb_left;
		kptr near, far;

		if (is_red(m, tree, sibling)) {
			set_black(m, tree, sibling, true);
			set_black(m, tree, parent, false);
			rotate(m, tree, parent, left);
			continue;
		}
		near = left ? at(m, tree, sibling)->rb_left :
			      at(m, tree, sibling)->rb_right;
		far = left ? at(m, tree, sibling)->rb_right :
			     at(m, tree, sibling)->rb_left;
		if (!is_red(m, tree, near) && !is_red(m, tree, far)) {
			set_black(m, tree, sibling, false);
			x = parent;
			parent = parent_of(m, tree, x);
			continue;
		}
		if (!is_red(m, tree, far)) {
			set_black(m, tree, near, true);
			set_black(m, tree, sibling, false);
			rotate(m, tree, sibling, !left);
			far = sibling;
			sibling = near;
		}
		set_black(m, tree, sibling, !is_red(m, tree, parent));
		set_black(m, tree, parent, true);
		set_black(m, tree, far, true);
		rotate(m, tree, parent, left);
		x = *tree->root;
		break;
	}
	if (x)
		set_black(m, tree, x, true);
}

/*
 * Its successor takes z's place and colour.  Returns the place that has lost a
 * node: *child, below *parent; whether a black one.
 */
static bool put_successor(struct vmemu *m, const struct interval_tree *tree,
			  kptr z, kptr *child, kptr *parent)
{
	struct interval_node *nz = at(m, tree, z), *ny;
	kptr y = nz->rb_right;
	bool black;

	while (at(m, tree, y)->rb_left)
		y = at(m, tree, y)->rb_left;
	ny = at(m, tree, y);
	black = !is_red(m, tree, y);
	*child = ny->rb_right;
	*parent = parent_of(m, tree, y);
	if (*parent == z) {
		*parent = y;
	} else {
		replace_child(m, tree, *parent, y, *child);
		ny->rb_right = nz->rb_right;
		set_parent(m, tree, ny->rb_right, y);
	}
	replace_child(m, tree, parent_of(m, tree, z), z, y);
	ny->rb_left = nz->rb_left;
	set_parent(m, tree, ny->rb_left, y);
	set_black(m, tree, y, !is_red(m, tree, z));
	return black;
}

void interval_tree_erase(struct vmemu *m, const struct interval_tree *tree,
			 kptr z)
{
	const struct interval_node *nz = at(m, tree, z);
	kptr child, parent, k;
	bool black;

	if (!nz->rb_left || !nz->rb_right) {
		child = nz->rb_left ? nz->rb_left : nz->rb_right;
		parent = parent_of(m, tree, z);
		black = !is_red(m, tree, z);
		replace_child(m, tree, parent, z, child);
	} else {
		black = put_successor(m, tree, z, &child, &parent);
	}
	for (k = parent; k; k = parent_of(m, tree, k))
		update_last(m, tree, k);
	if (black && *tree->root)
		erase_fixup(m, tree, child, parent);
}

/* The first below k, which has some that end at first or behind, and that begins at
 * last or before. */
static kptr search_below(struct vmemu *m, const struct interval_tree *tree,
			 kptr k, kulong first, kulong last)
{
	for (;;) {
		const struct interval_node *node = at(m, tree, k);
		kptr left = node->rb_left, right = node->rb_right;
		struct interval own = interval_of(m, tree, k);

		count(m, tree->counter);
		if (left && at(m, tree, left)->rb_subtree_last >= first) {
			k = left;
			continue;
		}
		if (own.start > last)
			return 0;
		if (own.last >= first)
			return k;
		if (!right || at(m, tree, right)->rb_subtree_last < first)
			return 0;
		k = right;
	}
}

kptr interval_tree_first(struct vmemu *m, const struct interval_tree *tree,
			 kulong first, kulong last)
{
	kptr root = *tree->root;

	if (!root || at(m, tree, root)->rb_subtree_last < first)
		return 0;
	return search_below(m, tree, root, first, last);
}

kptr interval_tree_next(struct vmemu *m, const struct interval_tree *tree,
			kptr k, kulong first, kulong last)
{
	for (;;) {
		kptr right = at(m, tree, k)->rb_right, from;
		struct interval own;

		if (right && at(m, tree, right)->rb_subtree_last >= first)
			return search_below(m, tree, right, first, last);
		do {
			from = k;
			k = parent_of(m, tree, k);
			if (!k)
				return 0;
		} while (at(m, tree, k)->rb_right == from);
		count(m, tree->counter);
		own = interval_of(m, tree, k);
		if (own.start > last)
			return 0;
		if (own.last >= first)
			return k;
	}
}
