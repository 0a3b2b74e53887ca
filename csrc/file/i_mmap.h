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

extern const struct i_mmap_ops i_mmap_list;

/* A new file's. */
void i_mmap_init(struct vmemu *, struct address_space *);
/* The area comes, or goes, as its file and its range say. */
void i_mmap_insert(struct vmemu *, struct vm_area_struct *);
void i_mmap_remove(struct vmemu *, struct vm_area_struct *);

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
	kulong end = vma->vm_pgoff + (kulong)vma_pages(vma) - 1;

	return vma->vm_pgoff <= last && end >= first;
}

/* For each linear area that maps some of the file's pages first to last.  The
 * body may change what the ptes say, not the areas. */
#define i_mmap_for_each(m, vma, iter, mapping, first_page, last_page)          \
	for ((vma) = i_mmap_first(m, iter, mapping, first_page, last_page);    \
	     (vma); (vma) = i_mmap_next(m, iter))                              \
		if (!i_mmap_overlaps(vma, first_page, last_page))              \
			continue;                                              \
		else

#endif
