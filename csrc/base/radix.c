/*
 * base/radix.c - the page cache's index: a radix tree of 64-way nodes in slabs.
 *
 * A tree of height h holds indices below 64^h.  Unlike Linux's, leaves always
 * stand in a node, also for index 0.
 *
 * A tag of a slot says that something below it has the tag, so that pages to be
 * written are found without a look at the others (2.6.6).
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

static bool tagged(const struct radix_tree_node *node, uint32_t slot, int tag)
{
	return node->tags[tag][slot / BITS_PER_LONG] >> slot % BITS_PER_LONG &
	       1;
}

static void set_tag(struct radix_tree_node *node, uint32_t slot, int tag,
		    bool on)
{
	kulong bit = (kulong)1 << slot % BITS_PER_LONG;
	kulong *word = &node->tags[tag][slot / BITS_PER_LONG];

	*word = on ? *word | bit : *word & ~bit;
}

static bool any_tagged(const struct radix_tree_node *node, int tag)
{
	uint32_t i;

	for (i = 0; i < 64 / BITS_PER_LONG; i++)
		if (node->tags[tag][i])
			return true;
	return false;
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
			int tag;

			node->slots[0] = root->rnode;
			node->count = 1;
			for (tag = 0; tag < NR_RADIX_TAGS; tag++)
				set_tag(node, 0, tag,
					any_tagged(host(m, root->rnode), tag));
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
	int tag;

	if (!slot)
		return NULL;
	item = host(m, *slot);
	for (tag = 0; tag < NR_RADIX_TAGS; tag++)
		radix_tree_tag_clear(m, root, index, tag);
	*slot = 0;
	leaf->count--;
	prune(m, root, index);
	return item;
}

/* The nodes from the root, path[height - 1], to the leaf of an item, path[0]. */
static void find_path(struct vmemu *m, const struct radix_tree_root *root,
		      kulong index, struct radix_tree_node **path)
{
	uint32_t level = root->height;
	kptr k = root->rnode;

	while (level) {
		path[--level] = host(m, k);
		k = path[level]->slots[slot_at(index, level)];
	}
}

void radix_tree_tag_set(struct vmemu *m, struct radix_tree_root *root,
			kulong index, enum radix_tree_tag tag)
{
	struct radix_tree_node *path[HEIGHT_MAX];
	uint32_t level;

	find_path(m, root, index, path);
	for (level = 0; level < root->height; level++)
		set_tag(path[level], slot_at(index, level), tag, true);
}

void radix_tree_tag_clear(struct vmemu *m, struct radix_tree_root *root,
			  kulong index, enum radix_tree_tag tag)
{
	struct radix_tree_node *path[HEIGHT_MAX];
	uint32_t level;

	find_path(m, root, index, path);
	for (level = 0; level < root->height; level++) {
		set_tag(path[level], slot_at(index, level), tag, false);
		if (any_tagged(path[level], tag))
			return;
	}
}

/* From index `from` on, in a node whose first slot begins at base. */
static void *next_in(struct vmemu *m, const struct radix_tree_node *node,
		     uint32_t level, kulong base, kulong from, int tag,
		     kulong *index)
{
	uint32_t shift = level * MAP_SHIFT, i;

	for (i = from > base ? (from - base) >> shift : 0; i <= MAP_MASK; i++) {
		kulong at = base + ((kulong)i << shift);
		void *item;

		if (!node->slots[i] || (tag >= 0 && !tagged(node, i, tag)))
			continue;
		item = host(m, node->slots[i]);
		if (level)
			item = next_in(m, item, level - 1, at, from, tag,
				       index);
		else
			*index = at;
		if (item)
			return item;
	}
	return NULL;
}

void *radix_tree_next(struct vmemu *m, struct radix_tree_root *root,
		      kulong *index, enum radix_tree_tag tag)
{
	if (!root->rnode || *index > max_index(root->height))
		return NULL;
	return next_in(m, host(m, root->rnode), root->height - 1, 0, *index,
		       tag, index);
}
