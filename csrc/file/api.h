/* file/api.h - what file/ does, for Python and for others. */
#ifndef VMEMU_FILE_API_H
#define VMEMU_FILE_API_H
#include "structs.h"

/* file/inode.c */
/* Keeps fd; NULL = no memory, or NR_FILES are open. */
struct address_space *file_open(struct vmemu *, enum file_kind, int fd,
				int writable);
void file_close(struct vmemu *, struct address_space *); /* nobody maps it */
struct inode *inode_of(struct vmemu *, const struct address_space *);
uint64_t i_size_read(struct vmemu *, const struct address_space *); /* bytes */
int file_mapped(struct vmemu *, struct address_space *);

/* file/filemap.c */
/* what a file's cached pages hold from offset on */
void file_written(struct vmemu *, struct address_space *, uint64_t offset,
		  const void *data, size_t n);
void file_zeroed(struct vmemu *, struct address_space *, uint64_t start,
		 uint64_t end);
struct page *find_get_page(struct vmemu *, struct address_space *,
			   kulong index);
void remove_from_page_cache(struct vmemu *, struct page *);

/* file/writeback.c: the dirty pages from start to end, bytes; 0 or -errno, of
 * earlier writes, too */
int filemap_fdatawrite(struct vmemu *, struct address_space *, uint64_t start,
		       uint64_t end);

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
