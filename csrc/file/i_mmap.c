/* file/i_mmap.c - an area onto what its file keeps areas in, and off it. */
#include "file/i_mmap.h"
#include "rmap/rmap.h"
#include "watch/lock.h"

#define I_MMAP(name) &i_mmap_##name,
static const struct i_mmap_ops *const i_mmaps[] = {
#include "file/i_mmaps.h"
};

#define NR_I_MMAPS ((int)(sizeof(i_mmaps) / sizeof(*i_mmaps)))

const char *vmemu_i_mmap_name(int i)
{
	return i >= 0 && i < NR_I_MMAPS ? i_mmaps[i]->name : NULL;
}

const struct i_mmap_ops *find_i_mmap(const char *name)
{
	int i;

	for (i = 0; i < NR_I_MMAPS; i++)
		if (!strcmp(i_mmaps[i]->name, name))
			return i_mmaps[i];
	return NULL;
}

kptr i_mmap_node(const struct vmemu *m)
{
	size_t align = sizeof(kptr) - 1;

	return (kptr)((sizeof(struct vm_area_struct) + m->rmap->vma_tail +
		       align) &
		      ~align);
}

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

static void insert(struct vmemu *m, struct vm_area_struct *vma,
		   struct vm_area_struct *old)
{
	struct address_space *mapping = mapping_of(m, vma);

	owned(m, i_mmap, mapping);
	if (vma->vm_flags & VM_SHARED)
		mapping->i_mmap_writable++;
	if (vma->vm_flags & VM_NONLINEAR)
		list_add_tail(m, i_mmap_link(m, vma),
			      &mapping->i_mmap_nonlinear);
	else if (old && m->i_mmap->insert_after)
		m->i_mmap->insert_after(m, mapping, vma, old);
	else
		m->i_mmap->insert(m, mapping, vma);
	stamp_file(m, vma);
}

void i_mmap_insert(struct vmemu *m, struct vm_area_struct *vma)
{
	insert(m, vma, NULL);
}

void i_mmap_insert_after(struct vmemu *m, struct vm_area_struct *vma,
			 struct vm_area_struct *old)
{
	insert(m, vma, old);
}

void i_mmap_remove(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping = mapping_of(m, vma);

	owned(m, i_mmap, mapping);
	if (vma->vm_flags & VM_SHARED)
		mapping->i_mmap_writable--;
	if (vma->vm_flags & VM_NONLINEAR)
		list_del(m, i_mmap_link(m, vma));
	else
		m->i_mmap->remove(m, mapping, vma);
}

static bool kept_by_range(const struct vmemu *m,
			  const struct vm_area_struct *vma)
{
	return vma->vm_file && m->i_mmap->by_range &&
	       !(vma->vm_flags & VM_NONLINEAR);
}

void i_mmap_range_changes(struct vmemu *m, struct vm_area_struct *vma)
{
	if (kept_by_range(m, vma))
		m->i_mmap->remove(m, mapping_of(m, vma), vma);
}

void i_mmap_range_changed(struct vmemu *m, struct vm_area_struct *vma)
{
	if (kept_by_range(m, vma))
		m->i_mmap->insert(m, mapping_of(m, vma), vma);
}

/* ---- for Python ---------------------------------------------------------------- */

uint32_t i_mmap_range(struct vmemu *m, struct address_space *mapping,
		      kulong first, kulong last, kptr *areas, uint32_t room)
{
	struct vm_area_struct *vma;
	struct i_mmap_iter iter;
	uint32_t n = 0;

	i_mmap_for_each(m, vma, &iter, mapping, first, last)
	{
		if (n < room)
			areas[n] = kaddr(m, vma);
		n++;
	}
	return n;
}

uint32_t i_mmap_areas(struct vmemu *m, struct address_space *mapping,
		      kptr *areas, uint32_t room)
{
	uint64_t nodes = m->counter[CNT_i_mmap_nodes];
	uint32_t n = i_mmap_range(m, mapping, 0, ~(kulong)0, areas, room);
	struct vm_area_struct *vma;
	kptr k;

	i_mmap_for_each_nonlinear(m, vma, k, mapping)
	{
		if (n < room)
			areas[n] = kaddr(m, vma);
		n++;
	}
	m->counter[CNT_i_mmap_nodes] = nodes; /* nobody's walk */
	return n;
}
