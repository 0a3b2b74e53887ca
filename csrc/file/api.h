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

/* file/i_mmap.c: nonzero = no area maps it */
int i_mmap_empty(struct vmemu *, struct address_space *);

#endif
