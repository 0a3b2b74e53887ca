/* file/i_mmap_list.c - all of a file's areas on one list, the newest last. */
#include "file/i_mmap.h"

static void list_init_file(struct vmemu *m, struct address_space *mapping)
{
	list_init(m, &mapping->i_mmap);
}

static bool list_is_empty(struct vmemu *m, const struct address_space *mapping)
{
	return list_empty(m, &mapping->i_mmap);
}

static void list_insert_vma(struct vmemu *m, struct address_space *mapping,
			    struct vm_area_struct *vma)
{
	list_add_tail(m, &vma->shared.list, &mapping->i_mmap);
}

static void list_remove_vma(struct vmemu *m, struct address_space *mapping,
			    struct vm_area_struct *vma)
{
	(void)mapping;
	list_del(m, &vma->shared.list);
}

static struct vm_area_struct *list_next(struct vmemu *m,
					struct i_mmap_iter *iter)
{
	iter->at = HOST(m, list_head, iter->at)->next;
	if (iter->at == kaddr(m, &iter->mapping->i_mmap))
		return NULL;
	return ENTRY(m, iter->at, vm_area_struct, shared.list);
}

static struct vm_area_struct *list_first(struct vmemu *m,
					 struct i_mmap_iter *iter)
{
	iter->at = kaddr(m, &iter->mapping->i_mmap);
	return list_next(m, iter);
}

const struct i_mmap_ops i_mmap_list = {
	.name = "list",
	.init = list_init_file,
	.empty = list_is_empty,
	.insert = list_insert_vma,
	.remove = list_remove_vma,
	.first = list_first,
	.next = list_next,
};
