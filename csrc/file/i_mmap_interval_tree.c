/*
 * file/i_mmap_interval_tree.c - a file's areas in an interval tree, as since 3.7.
 *
 * After Michel Lespinasse's mm/interval_tree.c: base/interval_tree.c has the tree.
 */
#include "base/interval_tree.h"
#include "file/i_mmap.h"

static const struct vm_area_struct *area(struct vmemu *m, kptr vma)
{
	return HOST(m, vm_area_struct, vma);
}

static struct interval_tree tree_of(struct vmemu *m,
				    struct address_space *mapping)
{
	return (struct interval_tree){
		.root = &mapping->i_mmap.interval_tree,
		.node = m->i_mmap_node,
		.area = area,
		.counter = CNT_i_mmap_nodes,
	};
}

static void interval_init(struct vmemu *m, struct address_space *mapping)
{
	(void)m;
	mapping->i_mmap.interval_tree = 0;
}

static bool interval_empty(struct vmemu *m, struct address_space *mapping)
{
	(void)m;
	return !mapping->i_mmap.interval_tree;
}

static void interval_insert(struct vmemu *m, struct address_space *mapping,
			    struct vm_area_struct *vma)
{
	struct interval_tree tree = tree_of(m, mapping);

	interval_tree_insert(m, &tree, kaddr(m, vma));
}

static void interval_remove(struct vmemu *m, struct address_space *mapping,
			    struct vm_area_struct *vma)
{
	struct interval_tree tree = tree_of(m, mapping);

	interval_tree_erase(m, &tree, kaddr(m, vma));
}

static struct vm_area_struct *found(struct vmemu *m, struct i_mmap_iter *iter,
				    kptr k)
{
	iter->at = k;
	return k ? HOST(m, vm_area_struct, k) : NULL;
}

static struct vm_area_struct *interval_first(struct vmemu *m,
					     struct i_mmap_iter *iter)
{
	struct interval_tree tree = tree_of(m, iter->mapping);

	return found(m, iter,
		     interval_tree_first(m, &tree, iter->first, iter->last));
}

static struct vm_area_struct *interval_next(struct vmemu *m,
					    struct i_mmap_iter *iter)
{
	struct interval_tree tree = tree_of(m, iter->mapping);

	return found(m, iter,
		     interval_tree_next(m, &tree, iter->at, iter->first,
					iter->last));
}

const struct i_mmap_ops i_mmap_interval_tree = {
	.name = "interval_tree",
	.vma_bytes = sizeof(struct interval_node),
	.by_range = 1,
	.init = interval_init,
	.empty = interval_empty,
	.insert = interval_insert,
	.remove = interval_remove,
	.first = interval_first,
	.next = interval_next,
};
