/*
 * base/rbtree.c - the red-black tree of an mm's vmas, keyed by vm_start.
 *
 * The textbook algorithm (Cormen et al.) on guest pointers; a missing child is
 * 0 and black.
 */
#include "base/base.h"

enum { RB_RED, RB_BLACK };

static struct rb_node *rb(struct vmemu *m, kptr k)
{
	return HOST(m, rb_node, k);
}

static bool is_red(struct vmemu *m, kptr k)
{
	return k && rb(m, k)->rb_color == RB_RED;
}

static kulong start_of(struct vmemu *m, kptr k)
{
	return ENTRY(m, k, vm_area_struct, vm_rb)->vm_start;
}

static void replace_child(struct vmemu *m, kptr *root, kptr parent, kptr old,
			  kptr new)
{
	if (!parent)
		*root = new;
	else if (rb(m, parent)->rb_left == old)
		rb(m, parent)->rb_left = new;
	else
		rb(m, parent)->rb_right = new;
	if (new)
		rb(m, new)->rb_parent = parent;
}

/* Lifts the right (or left) child of x into its place. */
static void rotate(struct vmemu *m, kptr *root, kptr x, bool left)
{
	struct rb_node *nx = rb(m, x);
	kptr y = left ? nx->rb_right : nx->rb_left;
	struct rb_node *ny = rb(m, y);
	kptr middle = left ? ny->rb_left : ny->rb_right;

	replace_child(m, root, nx->rb_parent, x, y);
	if (left) {
		nx->rb_right = middle;
		ny->rb_left = x;
	} else {
		nx->rb_left = middle;
		ny->rb_right = x;
	}
	nx->rb_parent = y;
	if (middle)
		rb(m, middle)->rb_parent = x;
}

static void insert_fixup(struct vmemu *m, kptr *root, kptr k)
{
	kptr parent;

	while (is_red(m, parent = rb(m, k)->rb_parent)) {
		kptr grand = rb(m, parent)->rb_parent;
		bool left = rb(m, grand)->rb_left == parent;
		kptr uncle =
			left ? rb(m, grand)->rb_right : rb(m, grand)->rb_left;

		if (is_red(m, uncle)) {
			rb(m, parent)->rb_color = RB_BLACK;
			rb(m, uncle)->rb_color = RB_BLACK;
			rb(m, grand)->rb_color = RB_RED;
			k = grand;
			continue;
		}
		if (k ==
		    (left ? rb(m, parent)->rb_right : rb(m, parent)->rb_left)) {
			rotate(m, root, parent, left);
			k = parent;
			parent = rb(m, k)->rb_parent;
		}
		rb(m, parent)->rb_color = RB_BLACK;
		rb(m, grand)->rb_color = RB_RED;
		rotate(m, root, grand, !left);
	}
	rb(m, *root)->rb_color = RB_BLACK;
}

void vma_rb_insert(struct vmemu *m, struct mm_struct *mm,
		   struct vm_area_struct *vma)
{
	struct rb_node *node = &vma->vm_rb;
	kptr *slot = &mm->mm_rb, parent = 0;

	while (*slot) {
		parent = *slot;
		slot = vma->vm_start < start_of(m, parent) ?
			       &rb(m, parent)->rb_left :
			       &rb(m, parent)->rb_right;
	}
	node->rb_left = node->rb_right = 0;
	node->rb_parent = parent;
	node->rb_color = RB_RED;
	*slot = kaddr(m, node);
	insert_fixup(m, &mm->mm_rb, kaddr(m, node));
}

static void erase_fixup(struct vmemu *m, kptr *root, kptr x, kptr parent)
{
	while (x != *root && !is_red(m, x)) {
		bool left = rb(m, parent)->rb_left == x;
		kptr sibling =
			left ? rb(m, parent)->rb_right : rb(m, parent)->rb_left;
		kptr near, far;

		if (is_red(m, sibling)) {
			rb(m, sibling)->rb_color = RB_BLACK;
			rb(m, parent)->rb_color = RB_RED;
			rotate(m, root, parent, left);
			continue;
		}
		near = left ? rb(m, sibling)->rb_left :
			      rb(m, sibling)->rb_right;
		far = left ? rb(m, sibling)->rb_right : rb(m, sibling)->rb_left;
		if (!is_red(m, near) && !is_red(m, far)) {
			rb(m, sibling)->rb_color = RB_RED;
			x = parent;
			parent = rb(m, x)->rb_parent;
			continue;
		}
		if (!is_red(m, far)) {
			rb(m, near)->rb_color = RB_BLACK;
			rb(m, sibling)->rb_color = RB_RED;
			rotate(m, root, sibling, !left);
			far = sibling;
			sibling = near;
		}
		rb(m, sibling)->rb_color = rb(m, parent)->rb_color;
		rb(m, parent)->rb_color = RB_BLACK;
		rb(m, far)->rb_color = RB_BLACK;
		rotate(m, root, parent, left);
		x = *root;
		break;
	}
	if (x)
		rb(m, x)->rb_color = RB_BLACK;
}

void vma_rb_erase(struct vmemu *m, struct mm_struct *mm,
		  struct vm_area_struct *vma)
{
	kptr *root = &mm->mm_rb, z = kaddr(m, &vma->vm_rb), x, parent;
	struct rb_node *nz = &vma->vm_rb;
	int color = nz->rb_color;

	if (!nz->rb_left || !nz->rb_right) {
		x = nz->rb_left ? nz->rb_left : nz->rb_right;
		parent = nz->rb_parent;
		replace_child(m, root, parent, z, x);
	} else { /* the successor y takes z's place and colour */
		kptr y = nz->rb_right;
		struct rb_node *ny;

		while (rb(m, y)->rb_left)
			y = rb(m, y)->rb_left;
		ny = rb(m, y);
		color = ny->rb_color;
		x = ny->rb_right;
		parent = ny->rb_parent;
		if (parent == z) {
			parent = y;
		} else {
			replace_child(m, root, parent, y, x);
			ny->rb_right = nz->rb_right;
			rb(m, ny->rb_right)->rb_parent = y;
		}
		replace_child(m, root, nz->rb_parent, z, y);
		ny->rb_left = nz->rb_left;
		rb(m, ny->rb_left)->rb_parent = y;
		ny->rb_color = nz->rb_color;
	}
	if (color == RB_BLACK && *root)
		erase_fixup(m, root, x, parent);
}
