/*
 * file/i_mmap_prio_tree.c - a file's areas in a radix priority search tree.
 *
 * After McCreight's priority search trees, as Rajesh Venkatasubramanian brought them
 * to 2.6.7.  An area is a point: the first page of the file that it maps is its
 * radix index, the last its heap index.
 *
 *   heap    no area ends behind the one above it; of those that end together the one
 *           that begins first is above
 *   radix   from the root down, each level looks at one bit less of the radix index:
 *           0 is to the left.  The root's bit is the highest of index_bits, as many
 *           as the largest heap index has had.
 *   size    below all bits of the radix index areas begin together: from there
 *           levels look at the bits of their sizes, from the highest down.
 *
 * So a search for pages leaves out what ends before them by the heap and what begins
 * behind them by the radix.  Areas of one and the same range have one node; the others
 * are its vm_set, a list.
 */
#include "file/i_mmap.h"

enum { SIZE_BITS = BITS_PER_LONG };

static struct prio_tree_node *node_of(struct vmemu *m, kptr vma)
{
	return HOST(m, prio_tree_node, vma + m->i_mmap_node);
}

static const struct vm_area_struct *area(struct vmemu *m, kptr vma)
{
	return HOST(m, vm_area_struct, vma);
}

static kulong radix_index(struct vmemu *m, kptr vma)
{
	return area(m, vma)->vm_pgoff;
}

static kulong heap_index(struct vmemu *m, kptr vma)
{
	return i_mmap_last(area(m, vma));
}

static bool same_range(struct vmemu *m, kptr a, kptr b)
{
	return radix_index(m, a) == radix_index(m, b) &&
	       heap_index(m, a) == heap_index(m, b);
}

/* Whether a has to be above b. */
static bool above(struct vmemu *m, kptr a, kptr b)
{
	kulong end = heap_index(m, a), other = heap_index(m, b);

	return end > other ||
	       (end == other && radix_index(m, a) < radix_index(m, b));
}

/* Whether vma is to the right below a node of this depth; the root's is 0. */
static bool goes_right(struct vmemu *m, const struct prio_tree_root *root,
		       kptr vma, uint32_t depth)
{
	kulong bits = radix_index(m, vma), bit;

	if (depth < root->index_bits) {
		bit = root->index_bits - 1 - depth;
	} else {
		bits = heap_index(m, vma) - bits;
		bit = SIZE_BITS - 1 - (depth - root->index_bits);
	}
	return bits >> bit & 1;
}

static kptr *child(struct vmemu *m, kptr vma, bool right)
{
	struct prio_tree_node *node = node_of(m, vma);

	return right ? &node->right : &node->left;
}

/* What pointed at old, in the tree, points at new. */
static void put_in_place(struct vmemu *m, struct prio_tree_root *root, kptr old,
			 kptr new)
{
	kptr parent = node_of(m, old)->parent;

	if (root->node == old)
		root->node = new;
	else
		*child(m, parent, node_of(m, parent)->right == old) = new;
	if (new)
		node_of(m, new)->parent = parent == old ? new : parent;
}

/* new stands where old did, which stands nowhere now; not its vm_set. */
static void replace(struct vmemu *m, struct prio_tree_root *root, kptr old,
		    kptr new)
{
	struct prio_tree_node *from = node_of(m, old), *to = node_of(m, new);

	put_in_place(m, root, old, new);
	to->left = from->left;
	to->right = from->right;
	if (to->left)
		node_of(m, to->left)->parent = new;
	if (to->right)
		node_of(m, to->right)->parent = new;
	from->left = from->right = from->parent = 0;
}

static kulong largest_index(const struct prio_tree_root *root)
{
	return root->index_bits < BITS_PER_LONG ?
		       ((kulong)1 << root->index_bits) - 1 :
		       ~(kulong)0;
}

/* Below a node, the child that has to be above the other; 0 = it has none. */
static kptr upper_child(struct vmemu *m, kptr vma)
{
	const struct prio_tree_node *node = node_of(m, vma);

	if (!node->left || !node->right)
		return node->left ? node->left : node->right;
	return above(m, node->left, node->right) ? node->left : node->right;
}

/* Out of the tree: those below move up, each to the place above. */
static void tree_remove(struct vmemu *m, struct prio_tree_root *root, kptr vma)
{
	kptr leaf = vma, next, k;

	while ((next = upper_child(m, leaf)))
		leaf = next;
	k = node_of(m, leaf)->parent;
	put_in_place(m, root, leaf, 0);
	node_of(m, leaf)->parent = 0;
	while (leaf != vma) { /* leaf goes where k is, k further up */
		kptr parent = node_of(m, k)->parent;

		replace(m, root, k, leaf);
		if (k == vma)
			break;
		leaf = k;
		k = parent;
	}
}

/* One bit more of the radix index: the root is the highest again, and all others,
 * whose bit is 0, to its left. */
static void expand(struct vmemu *m, struct prio_tree_root *root, kulong last)
{
	while (largest_index(root) < last) {
		kptr top = root->node;

		if (top)
			tree_remove(m, root, top);
		root->index_bits++;
		if (!top)
			continue;
		node_of(m, top)->left = root->node;
		node_of(m, top)->right = 0;
		node_of(m, top)->parent = top;
		if (root->node)
			node_of(m, root->node)->parent = top;
		root->node = top;
	}
}

/* Into the tree; or 0 is not the answer, but the area of its range that is there. */
static kptr tree_insert(struct vmemu *m, struct prio_tree_root *root, kptr vma)
{
	uint32_t depth = 0;
	kptr k, parent = 0, *slot = &root->node;

	expand(m, root, heap_index(m, vma));
	while ((k = *slot)) {
		if (same_range(m, k, vma))
			return k;
		if (above(m, vma, k)) { /* it takes the place, and k goes on */
			replace(m, root, k, vma);
			parent = vma;
			vma = k;
		} else {
			parent = k;
		}
		slot = child(m, parent, goes_right(m, root, vma, depth++));
	}
	*slot = vma;
	*node_of(m, vma) = (struct prio_tree_node){
		.parent = parent ? parent : vma,
		.head = node_of(m, vma)->head,
	};
	return 0;
}

/* ---- vm_set: areas with the range of one that is in the tree ------------------- */

static struct list_head *set_link(struct vmemu *m, kptr vma)
{
	return (struct list_head *)node_of(m, vma);
}

static kptr set_vma(struct vmemu *m, kptr link)
{
	return link - m->i_mmap_node;
}

/* To the vm_set that old is of, or has. */
static void set_add(struct vmemu *m, kptr vma, kptr old)
{
	struct prio_tree_node *node = node_of(m, vma);

	node->parent = node->head = 0;
	if (!node_of(m, old)->parent) {
		list_add(m, set_link(m, vma), set_link(m, old));
	} else if (node_of(m, old)->head) {
		list_add_tail(m, set_link(m, vma),
			      set_link(m, node_of(m, old)->head));
	} else {
		list_init(m, set_link(m, vma));
		node->head = old;
		node_of(m, old)->head = vma;
	}
}

/* The next of first's vm_set, or 0 where it is alone. */
static kptr set_next(struct vmemu *m, kptr first)
{
	const struct list_head *link = set_link(m, first);

	return list_empty(m, link) ? 0 : set_vma(m, link->next);
}

/* The vm_set of the area in the tree has another first one, or none. */
static void set_head(struct vmemu *m, kptr in_tree, kptr first)
{
	node_of(m, in_tree)->head = first;
	if (first)
		node_of(m, first)->head = in_tree;
}

static void set_remove(struct vmemu *m, kptr vma)
{
	kptr in_tree = node_of(m, vma)->head;

	if (in_tree)
		set_head(m, in_tree, set_next(m, vma));
	list_del(m, set_link(m, vma));
}

/* The first of its vm_set takes the place of one in the tree. */
static void set_rise(struct vmemu *m, struct prio_tree_root *root, kptr vma)
{
	kptr first = node_of(m, vma)->head;
	kptr rest = set_next(m, first);

	list_del(m, set_link(m, first));
	replace(m, root, vma, first);
	set_head(m, first, rest);
}

/* ---- struct i_mmap_ops ----------------------------------------------------------- */

static void prio_init(struct vmemu *m, struct address_space *mapping)
{
	(void)m;
	mapping->i_mmap.prio_tree = (struct prio_tree_root){ .index_bits = 1 };
}

static bool prio_empty(struct vmemu *m, struct address_space *mapping)
{
	(void)m;
	return !mapping->i_mmap.prio_tree.node;
}

static void prio_insert(struct vmemu *m, struct address_space *mapping,
			struct vm_area_struct *vma)
{
	kptr k = kaddr(m, vma), old;

	node_of(m, k)->head = 0;
	old = tree_insert(m, &mapping->i_mmap.prio_tree, k);
	if (old)
		set_add(m, k, old);
}

/* fork's copy has the range of the one it was made of. */
static void prio_insert_after(struct vmemu *m, struct address_space *mapping,
			      struct vm_area_struct *vma,
			      struct vm_area_struct *old)
{
	(void)mapping;
	set_add(m, kaddr(m, vma), kaddr(m, old));
}

static void prio_remove(struct vmemu *m, struct address_space *mapping,
			struct vm_area_struct *vma)
{
	struct prio_tree_root *root = &mapping->i_mmap.prio_tree;
	kptr k = kaddr(m, vma);
	const struct prio_tree_node *node = node_of(m, k);

	if (!node->parent) {
		set_remove(m, k);
	} else if (node->head) {
		set_rise(m, root, k);
	} else {
		tree_remove(m, root, k);
	}
	if (!root->node)
		root->index_bits = 1;
}

static bool has(struct vmemu *m, const struct i_mmap_iter *iter, kptr vma)
{
	return radix_index(m, vma) <= iter->last &&
	       heap_index(m, vma) >= iter->first;
}

/*
 * Down to a child, if some there may have the pages: the first that is there ends
 * last, and none begins before what the way to it says.
 */
static bool go_down(struct vmemu *m, struct i_mmap_iter *iter, bool right)
{
	const struct prio_tree_root *root = &iter->mapping->i_mmap.prio_tree;
	kptr k = *child(m, iter->at, right);
	kulong begin = iter->begin;

	if (right && iter->depth < root->index_bits)
		begin |= (kulong)1 << (root->index_bits - 1 - iter->depth);
	if (!k || begin > iter->last)
		return false;
	count(m, CNT_i_mmap_nodes);
	if (heap_index(m, k) < iter->first)
		return false;
	iter->at = k;
	iter->begin = begin;
	iter->depth++;
	return true;
}

/* Up from a child; whether from the left one. */
static bool go_up(struct vmemu *m, struct i_mmap_iter *iter)
{
	const struct prio_tree_root *root = &iter->mapping->i_mmap.prio_tree;
	kptr from = iter->at;
	bool left;

	iter->at = node_of(m, from)->parent;
	left = node_of(m, iter->at)->left == from;
	iter->depth--;
	if (!left && iter->depth < root->index_bits)
		iter->begin &=
			~((kulong)1 << (root->index_bits - 1 - iter->depth));
	return left;
}

/* The next node in the tree that has the pages; 0 = none. */
static kptr next_node(struct vmemu *m, struct i_mmap_iter *iter)
{
	do {
		if (go_down(m, iter, false) || go_down(m, iter, true))
			continue;
		do {
			if (node_of(m, iter->at)->parent == iter->at)
				return 0;
		} while (!go_up(m, iter) || !go_down(m, iter, true));
	} while (!has(m, iter, iter->at));
	return iter->at;
}

static struct vm_area_struct *vma_or_null(struct vmemu *m, kptr k)
{
	return k ? HOST(m, vm_area_struct, k) : NULL;
}

/* Each node in the tree, and then its vm_set. */
static struct vm_area_struct *prio_next(struct vmemu *m,
					struct i_mmap_iter *iter)
{
	kptr first = node_of(m, iter->at)->head, next = first;

	if (iter->in_set) {
		next = set_vma(m, set_link(m, iter->in_set)->next);
		if (next == first)
			next = 0;
	}
	iter->in_set = next;
	return vma_or_null(m, next ? next : next_node(m, iter));
}

static struct vm_area_struct *prio_first(struct vmemu *m,
					 struct i_mmap_iter *iter)
{
	iter->at = iter->mapping->i_mmap.prio_tree.node;
	if (!iter->at)
		return NULL;
	count(m, CNT_i_mmap_nodes);
	if (heap_index(m, iter->at) < iter->first)
		return NULL;
	return vma_or_null(m, has(m, iter, iter->at) ? iter->at :
						       next_node(m, iter));
}

const struct i_mmap_ops i_mmap_prio_tree = {
	.name = "prio_tree",
	.vma_bytes = sizeof(struct prio_tree_node),
	.by_range = 1,
	.init = prio_init,
	.empty = prio_empty,
	.insert = prio_insert,
	.insert_after = prio_insert_after,
	.remove = prio_remove,
	.first = prio_first,
	.next = prio_next,
};
