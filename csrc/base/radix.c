/*
 * base/radix.c - the page cache's index: a radix tree of 64-way nodes in slabs.
 *
 * A tree of height h holds indices below 64^h.  Unlike Linux's, leaves always
 * stand in a node, also for index 0; no tags.
 */
#include "base/base.h"
#include "core/core.h"
#include "page/page.h"

#define MAP_SHIFT 6
#define MAP_MASK 63u
#define HEIGHT_MAX ((BITS_PER_LONG + MAP_SHIFT - 1) / MAP_SHIFT)

static kulong max_index(uint32_t height)
{
	return height * MAP_SHIFT >= BITS_PER_LONG ?
		       ~(kulong)0 :
		       ((kulong)1 << height * MAP_SHIFT) - 1;
}

static uint32_t slot_at(kulong index, uint32_t level)
{
	return index >> level * MAP_SHIFT & MAP_MASK;
}

static struct radix_tree_node *node_alloc(struct vmemu *m)
{
	return kmem_cache_alloc(m, CACHE_radix_tree_node, GFP_ATOMIC);
}

static int extend(struct vmemu *m, struct radix_tree_root *root, kulong index)
{
	do {
		struct radix_tree_node *node = node_alloc(m);

		if (!node)
			return -1;
		if (root->rnode) {
			node->slots[0] = root->rnode;
			node->count = 1;
		} else { /* one node is enough, at any height */
			while (index > max_index(root->height + 1))
				root->height++;
		}
		root->rnode = kaddr(m, node);
		root->height++;
	} while (index > max_index(root->height));
	return 0;
}

/* Frees the empty nodes on the way to index, from the leaf upwards. */
static void prune(struct vmemu *m, struct radix_tree_root *root, kulong index)
{
	struct radix_tree_node *path[HEIGHT_MAX];
	uint32_t level = root->height, empty;
	kptr k = root->rnode;

	while (k && level) {
		path[--level] = host(m, k);
		k = path[level]->slots[slot_at(index, level)];
	}
	for (empty = level; empty < root->height; empty++) {
		if (path[empty]->count)
			return;
		kmem_cache_free(m, CACHE_radix_tree_node, path[empty]);
		if (empty + 1 < root->height) {
			path[empty + 1]->slots[slot_at(index, empty + 1)] = 0;
			path[empty + 1]->count--;
		}
	}
	root->rnode = 0;
	root->height = 0;
}

/* 0, or -1 when no node could be allocated; the slot must be empty. */
int radix_tree_insert(struct vmemu *m, struct radix_tree_root *root,
		      kulong index, void *item)
{
	struct radix_tree_node *node;
	uint32_t level;

	if ((!root->rnode || index > max_index(root->height)) &&
	    extend(m, root, index))
		return -1;
	node = host(m, root->rnode);
	for (level = root->height - 1; level; level--) {
		kptr *slot = &node->slots[slot_at(index, level)];

		if (!*slot) {
			struct radix_tree_node *child = node_alloc(m);

			if (!child) {
				prune(m, root, index);
				return -1;
			}
			*slot = kaddr(m, child);
			node->count++;
		}
		node = host(m, *slot);
	}
	if (BUG_ON(m, node->slots[slot_at(index, 0)] != 0))
		return -1;
	node->slots[slot_at(index, 0)] = kaddr(m, item);
	node->count++;
	return 0;
}

/* The slot of index, or NULL when no leaf covers it. */
static kptr *find_slot(struct vmemu *m, struct radix_tree_root *root,
		       kulong index, struct radix_tree_node **leaf)
{
	kptr *slot = &root->rnode;
	uint32_t level = root->height;

	if (index > max_index(level))
		return NULL;
	while (*slot && level--) {
		*leaf = host(m, *slot);
		slot = &(*leaf)->slots[slot_at(index, level)];
	}
	return *slot ? slot : NULL;
}

void *radix_tree_lookup(struct vmemu *m, struct radix_tree_root *root,
			kulong index)
{
	struct radix_tree_node *leaf;
	const kptr *slot = find_slot(m, root, index, &leaf);

	return slot ? host(m, *slot) : NULL;
}

/* Removes and returns the item; empty nodes go back to their slab. */
void *radix_tree_delete(struct vmemu *m, struct radix_tree_root *root,
			kulong index)
{
	struct radix_tree_node *leaf = NULL;
	kptr *slot = find_slot(m, root, index, &leaf);
	void *item;

	if (!slot)
		return NULL;
	item = host(m, *slot);
	*slot = 0;
	leaf->count--;
	prune(m, root, index);
	return item;
}
