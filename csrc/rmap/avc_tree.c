/*
 * rmap/avc_tree.c - the vmas of one anon_vma by the offsets they have, since 3.7.
 *
 * A red-black tree of the vmas' intervals [vm_pgoff, last], keyed by where they
 * begin; each node knows the largest end below it (Cormen et al., interval
 * trees).  Links lead from object to object; 1 in rb_parent: black.
 *
 * Offsets may wrap around: the interval of such a vma, and of an empty one, is
 * everything, so that it is met by each search.
 */
#include "core/core.h"
#include "rmap/rmap.h"

struct interval {
	kulong start, last;
};

static struct avc_interval *at(struct vmemu *m, kptr k)
{
	return HOST(m, avc_interval, k);
}

static struct interval interval_of(struct vmemu *m, kptr k)
{
	const struct vm_area_struct *vma =
		HOST(m, vm_area_struct, at(m, k)->vma);
	kulong pages = (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
	struct interval i = { vma->vm_pgoff, vma->vm_pgoff + pages - 1 };

	return i.last < i.start ? (struct interval){ 0, ~(kulong)0 } : i;
}

static kptr parent_of(struct vmemu *m, kptr k)
{
	return at(m, k)->rb_parent & ~(kptr)1;
}

static bool is_red(struct vmemu *m, kptr k)
{
	return k && !(at(m, k)->rb_parent & 1);
}

static void set_parent(struct vmemu *m, kptr k, kptr parent)
{
	at(m, k)->rb_parent = parent | (at(m, k)->rb_parent & 1);
}

static void set_black(struct vmemu *m, kptr k, bool black)
{
	at(m, k)->rb_parent = parent_of(m, k) | black;
}

static void update_last(struct vmemu *m, kptr k)
{
	struct avc_interval *node = at(m, k);
	kulong last = interval_of(m, k).last;

	if (node->rb_left && at(m, node->rb_left)->rb_subtree_last > last)
		last = at(m, node->rb_left)->rb_subtree_last;
	if (node->rb_right && at(m, node->rb_right)->rb_subtree_last > last)
		last = at(m, node->rb_right)->rb_subtree_last;
	node->rb_subtree_last = last;
}

static void replace_child(struct vmemu *m, kptr *root, kptr parent, kptr old,
			  kptr new)
{
	if (!parent)
		*root = new;
	else if (at(m, parent)->rb_left == old)
		at(m, parent)->rb_left = new;
	else
		at(m, parent)->rb_right = new;
	if (new)
		set_parent(m, new, parent);
}

/* Lifts the right (or left) child of x into its place. */
static void rotate(struct vmemu *m, kptr *root, kptr x, bool left)
{
	struct avc_interval *nx = at(m, x);
	kptr y = left ? nx->rb_right : nx->rb_left;
	struct avc_interval *ny = at(m, y);
	kptr middle = left ? ny->rb_left : ny->rb_right;

	replace_child(m, root, parent_of(m, x), x, y);
	if (left) {
		nx->rb_right = middle;
		ny->rb_left = x;
	} else {
		nx->rb_left = middle;
		ny->rb_right = x;
	}
	set_parent(m, x, y);
	if (middle)
		set_parent(m, middle, x);
	ny->rb_subtree_last = nx->rb_subtree_last;
	update_last(m, x);
}

static void insert_fixup(struct vmemu *m, kptr *root, kptr k)
{
	kptr parent;

	while (is_red(m, parent = parent_of(m, k))) {
		kptr grand = parent_of(m, parent);
		bool left = at(m, grand)->rb_left == parent;
		kptr uncle =
			left ? at(m, grand)->rb_right : at(m, grand)->rb_left;

		if (is_red(m, uncle)) {
			set_black(m, parent, true);
			set_black(m, uncle, true);
			set_black(m, grand, false);
			k = grand;
			continue;
		}
		if (k ==
		    (left ? at(m, parent)->rb_right : at(m, parent)->rb_left)) {
			rotate(m, root, parent, left);
			k = parent;
			parent = parent_of(m, k);
		}
		set_black(m, parent, true);
		set_black(m, grand, false);
		rotate(m, root, grand, !left);
	}
	set_black(m, *root, true);
}

/* Of those that begin together the newest comes last. */
void avc_tree_insert(struct vmemu *m, kptr *root, kptr k)
{
	struct interval own = interval_of(m, k);
	struct avc_interval *node = at(m, k);
	kptr *slot = root, parent = 0;

	while (*slot) {
		struct avc_interval *above = at(m, *slot);

		parent = *slot;
		if (above->rb_subtree_last < own.last)
			above->rb_subtree_last = own.last;
		slot = own.start < interval_of(m, parent).start ?
			       &above->rb_left :
			       &above->rb_right;
	}
	node->rb_left = node->rb_right = 0;
	node->rb_parent = parent; /* red */
	node->rb_subtree_last = own.last;
	*slot = k;
	insert_fixup(m, root, k);
}

static void erase_fixup(struct vmemu *m, kptr *root, kptr x, kptr parent)
{
	while (x != *root && !is_red(m, x)) {
		bool left = at(m, parent)->rb_left == x;
		kptr sibling =
			left ? at(m, parent)->rb_right : at(m, parent)->rb_left;
		kptr near, far;

		if (is_red(m, sibling)) {
			set_black(m, sibling, true);
			set_black(m, parent, false);
			rotate(m, root, parent, left);
			continue;
		}
		near = left ? at(m, sibling)->rb_left :
			      at(m, sibling)->rb_right;
		far = left ? at(m, sibling)->rb_right : at(m, sibling)->rb_left;
		if (!is_red(m, near) && !is_red(m, far)) {
			set_black(m, sibling, false);
			x = parent;
			parent = parent_of(m, x);
			continue;
		}
		if (!is_red(m, far)) {
			set_black(m, near, true);
			set_black(m, sibling, false);
			rotate(m, root, sibling, !left);
			far = sibling;
			sibling = near;
		}
		set_black(m, sibling, !is_red(m, parent));
		set_black(m, parent, true);
		set_black(m, far, true);
		rotate(m, root, parent, left);
		x = *root;
		break;
	}
	if (x)
		set_black(m, x, true);
}

/*
 * Its successor takes z's place and colour.  Returns the place that has lost a
 * node: *child, below *parent; whether a black one.
 */
static bool put_successor(struct vmemu *m, kptr *root, kptr z, kptr *child,
			  kptr *parent)
{
	struct avc_interval *nz = at(m, z), *ny;
	kptr y = nz->rb_right;
	bool black;

	while (at(m, y)->rb_left)
		y = at(m, y)->rb_left;
	ny = at(m, y);
	black = !is_red(m, y);
	*child = ny->rb_right;
	*parent = parent_of(m, y);
	if (*parent == z) {
		*parent = y;
	} else {
		replace_child(m, root, *parent, y, *child);
		ny->rb_right = nz->rb_right;
		set_parent(m, ny->rb_right, y);
	}
	replace_child(m, root, parent_of(m, z), z, y);
	ny->rb_left = nz->rb_left;
	set_parent(m, ny->rb_left, y);
	set_black(m, y, !is_red(m, z));
	return black;
}

void avc_tree_erase(struct vmemu *m, kptr *root, kptr z)
{
	const struct avc_interval *nz = at(m, z);
	kptr child, parent, k;
	bool black;

	if (!nz->rb_left || !nz->rb_right) {
		child = nz->rb_left ? nz->rb_left : nz->rb_right;
		parent = parent_of(m, z);
		black = !is_red(m, z);
		replace_child(m, root, parent, z, child);
	} else {
		black = put_successor(m, root, z, &child, &parent);
	}
	for (k = parent; k; k = parent_of(m, k))
		update_last(m, k);
	if (black && *root)
		erase_fixup(m, root, child, parent);
}

/* The first below k, which has some that end behind index, with index in it. */
static kptr search_below(struct vmemu *m, kptr k, kulong index)
{
	for (;;) {
		const struct avc_interval *node = at(m, k);
		kptr left = node->rb_left, right = node->rb_right;
		struct interval own = interval_of(m, k);

		count(m, CNT_rmap_tree_nodes);
		if (left && at(m, left)->rb_subtree_last >= index) {
			k = left;
			continue;
		}
		if (own.start > index)
			return 0;
		if (own.last >= index)
			return k;
		if (!right || at(m, right)->rb_subtree_last < index)
			return 0;
		k = right;
	}
}

kptr avc_tree_first(struct vmemu *m, kptr root, kulong index)
{
	if (!root || at(m, root)->rb_subtree_last < index)
		return 0;
	return search_below(m, root, index);
}

kptr avc_tree_next(struct vmemu *m, kptr k, kulong index)
{
	for (;;) {
		kptr right = at(m, k)->rb_right, from;
		struct interval own;

		if (right && at(m, right)->rb_subtree_last >= index)
			return search_below(m, right, index);
		do {
			from = k;
			k = parent_of(m, k);
			if (!k)
				return 0;
		} while (at(m, k)->rb_right == from);
		count(m, CNT_rmap_tree_nodes);
		own = interval_of(m, k);
		if (own.start > index)
			return 0;
		if (own.last >= index)
			return k;
	}
}
