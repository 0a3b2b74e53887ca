/*
 * file/i_mmap.h - the areas that map a file, by the pages of it that they map.
 *
 * i_mmap_lock is held by whoever asks or changes.  What they are kept in is the
 * machine's: struct i_mmap_ops of m->i_mmap.
 */
#ifndef VMEMU_FILE_I_MMAP_H
#define VMEMU_FILE_I_MMAP_H
#include "core/core.h"
#include "file/api.h"
#include "mm/mm.h"

#define I_MMAP(name) extern const struct i_mmap_ops i_mmap_##name;
#include "file/i_mmaps.h"
#undef I_MMAP

/* Where in a vm_area_struct the i_mmap's part is: behind the scheme's. */
kptr i_mmap_node(const struct vmemu *);

/* A new file's. */
void i_mmap_init(struct vmemu *, struct address_space *);
/* The area comes, or goes, as its file, flags and range say. */
void i_mmap_insert(struct vmemu *, struct vm_area_struct *);
void i_mmap_remove(struct vmemu *, struct vm_area_struct *);
/* It comes, with the range of one that is there already. */
void i_mmap_insert_after(struct vmemu *, struct vm_area_struct *,
			 struct vm_area_struct *old);
/* The range of an area that is there changes between these; vm_file may be 0. */
void i_mmap_range_changes(struct vmemu *, struct vm_area_struct *);
void i_mmap_range_changed(struct vmemu *, struct vm_area_struct *);

/* The last page of the file that the area maps. */
static inline kulong i_mmap_last(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff + (kulong)vma_pages(vma) - 1;
}

/* The link of one that is VM_NONLINEAR, or on an i_mmap that is a list. */
static inline struct list_head *i_mmap_link(struct vmemu *m,
					    struct vm_area_struct *vma)
{
	return (struct list_head *)((uint8_t *)vma + m->i_mmap_node);
}

/*
 * Candidates for pages first to last of the file, in the order of a walk: among
 * them every linear area that maps some of these pages, and maybe others.  NULL:
 * there are no more.
 */
static inline struct vm_area_struct *i_mmap_first(struct vmemu *m,
						  struct i_mmap_iter *iter,
						  struct address_space *mapping,
						  kulong first, kulong last)
{
	*iter = (struct i_mmap_iter){ .mapping = mapping,
				      .first = first,
				      .last = last };
	return m->i_mmap->first(m, iter);
}

static inline struct vm_area_struct *i_mmap_next(struct vmemu *m,
						 struct i_mmap_iter *iter)
{
	return m->i_mmap->next(m, iter);
}

/* Whether a linear area maps some of the pages first to last. */
static inline bool i_mmap_overlaps(const struct vm_area_struct *vma,
				   kulong first, kulong last)
{
	return vma->vm_pgoff <= last && i_mmap_last(vma) >= first;
}

/* For each linear area that maps some of the file's pages first to last.  The
 * body may change what the ptes say, not the areas. */
#define i_mmap_for_each(m, vma, iter, mapping, first_page, last_page)          \
	for ((vma) = i_mmap_first(m, iter, mapping, first_page, last_page);    \
	     (vma); (vma) = i_mmap_next(m, iter))                              \
		if (!i_mmap_overlaps(vma, first_page, last_page))              \
			continue;                                              \
		else

/* For each nonlinear area of the file. */
#define i_mmap_for_each_nonlinear(m, vma, k, mapping)                          \
	for ((k) = (mapping)->i_mmap_nonlinear.next;                           \
	     (k) != kaddr(m, &(mapping)->i_mmap_nonlinear) &&                  \
	     ((vma) = HOST(m, vm_area_struct, (k) - (m)->i_mmap_node), true);  \
	     (k) = HOST(m, list_head, k)->next)

#endif
