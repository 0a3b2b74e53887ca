/* file/i_mmap.c - an area onto what its file keeps areas in, and off it. */
#include "file/i_mmap.h"
#include "rmap/rmap.h"
#include "watch/lock.h"

static struct address_space *mapping_of(struct vmemu *m,
					const struct vm_area_struct *vma)
{
	return HOST(m, address_space, vma->vm_file);
}

void i_mmap_init(struct vmemu *m, struct address_space *mapping)
{
	m->i_mmap->init(m, mapping);
	list_init(m, &mapping->i_mmap_nonlinear);
}

int i_mmap_empty(struct vmemu *m, struct address_space *mapping)
{
	return m->i_mmap->empty(m, mapping) &&
	       list_empty(m, &mapping->i_mmap_nonlinear);
}

void i_mmap_insert(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping = mapping_of(m, vma);

	owned(m, i_mmap, mapping);
	if (vma->vm_flags & VM_SHARED)
		mapping->i_mmap_writable++;
	m->i_mmap->insert(m, mapping, vma);
	stamp_file(m, vma);
}

void i_mmap_remove(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping = mapping_of(m, vma);

	owned(m, i_mmap, mapping);
	if (vma->vm_flags & VM_SHARED)
		mapping->i_mmap_writable--;
	m->i_mmap->remove(m, mapping, vma);
}
