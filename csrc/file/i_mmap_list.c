/*
 * file/i_mmap_list.c - a file's areas on two lists, as in 2.6.6: i_mmap has those that
 * are private, i_mmap_shared the others, the newest last.
 *
 * Nothing says which pages an area maps but the area: a walk looks at all.
 */
#include "file/i_mmap.h"

static struct list_head *list_of(struct address_space *mapping, bool shared)
{
	return shared ? (struct list_head *)(mapping + 1) :
			&mapping->i_mmap.list;
}

static void lists_init(struct vmemu *m, struct address_space *mapping)
{
	list_init(m, list_of(mapping, false));
	list_init(m, list_of(mapping, true));
}

static bool lists_empty(struct vmemu *m, struct address_space *mapping)
{
	return list_empty(m, list_of(mapping, false)) &&
	       list_empty(m, list_of(mapping, true));
}

static void lists_insert(struct vmemu *m, struct address_space *mapping,
			 struct vm_area_struct *vma)
{
	list_add_tail(m, i_mmap_link(m, vma),
		      list_of(mapping, vma->vm_flags & VM_SHARED));
}

static void lists_remove(struct vmemu *m, struct address_space *mapping,
			 struct vm_area_struct *vma)
{
	(void)mapping;
	list_del(m, i_mmap_link(m, vma));
}

static struct vm_area_struct *lists_next(struct vmemu *m,
					 struct i_mmap_iter *iter)
{
	struct list_head *shared = list_of(iter->mapping, true);

	iter->at = HOST(m, list_head, iter->at)->next;
	if (iter->at == kaddr(m, list_of(iter->mapping, false)))
		iter->at = shared->next;
	if (iter->at == kaddr(m, shared))
		return NULL;
	return HOST(m, vm_area_struct, iter->at - m->i_mmap_node);
}

static struct vm_area_struct *lists_first(struct vmemu *m,
					  struct i_mmap_iter *iter)
{
	iter->at = kaddr(m, list_of(iter->mapping, false));
	return lists_next(m, iter);
}

const struct i_mmap_ops i_mmap_list = {
	.name = "list",
	.vma_bytes = sizeof(struct list_head),
	.space_bytes = sizeof(struct list_head),
	.init = lists_init,
	.empty = lists_empty,
	.insert = lists_insert,
	.remove = lists_remove,
	.first = lists_first,
	.next = lists_next,
};
