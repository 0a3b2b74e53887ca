/* file/api.h - what file/ does, for Python and for others. */
#ifndef VMEMU_FILE_API_H
#define VMEMU_FILE_API_H
#include "structs.h"

/* file/filemap.c */
struct address_space *file_open(struct vmemu *, int fd); /* keeps fd */
void file_close(struct vmemu *, struct address_space *);
/* what a file's cached pages hold from offset on */
void file_written(struct vmemu *, struct address_space *, uint64_t offset,
		  const void *data, size_t n);
void file_zeroed(struct vmemu *, struct address_space *, uint64_t start,
		 uint64_t end);
int file_mapped(struct vmemu *, struct address_space *);
struct page *find_get_page(struct vmemu *, struct address_space *,
			   kulong index);
void remove_from_page_cache(struct vmemu *, struct page *);

/* file/i_mmap.c: NULL behind the last; when there is none of that name */
const char *vmemu_i_mmap_name(int i);
const struct i_mmap_ops *find_i_mmap(const char *name);
/* Nonzero = no area maps it. */
int i_mmap_empty(struct vmemu *, struct address_space *);
/* The linear areas of a file that map some of these pages, as a walk comes to them:
 * how many there are. */
uint32_t i_mmap_range(struct vmemu *, struct address_space *, kulong first,
		      kulong last, kptr *areas, uint32_t room);
/* All, and then the nonlinear ones; not counted. */
uint32_t i_mmap_areas(struct vmemu *, struct address_space *, kptr *areas,
		      uint32_t room);

#endif
