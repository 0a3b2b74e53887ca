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
/* what is cached of a range of a file is zeros now */
void file_zeroed(struct vmemu *, struct address_space *, uint64_t start,
		 uint64_t end);
struct page *find_get_page(struct vmemu *, struct address_space *,
			   kulong index);
void remove_from_page_cache(struct vmemu *, struct page *);

/* file/truncate.c */
/* The file, so far old bytes long, has another size: what does not belong to it goes. */
void vmtruncate(struct vmemu *, struct address_space *, uint64_t old,
		uint64_t size);
/* Clean pages that nobody maps go from the cache, first to last; how many. */
kulong invalidate_mapping_pages(struct vmemu *, struct address_space *,
				kulong first, kulong last);

/* file/readahead.c: pages first to last are read as far as memory allows */
void force_page_cache_readahead(struct vmemu *, struct address_space *,
				kulong first, kulong last);

/* file/rw.c: bytes, or -errno when there are none */
int64_t generic_file_read(struct vmemu *, struct address_space *, uint64_t pos,
			  void *to, uint64_t n, struct file_ra_state *);
int64_t generic_file_write(struct vmemu *, struct address_space *, uint64_t pos,
			   const void *from, uint64_t n);
/*
 * Of a file of the host, or with NULL for the last of tmpfs, to user memory: READ_CHUNK
 * bytes are read before any of them is stored.  -EFAULT if none could be.
 */
enum { READ_CHUNK = 65536 };
int64_t read_to_user(struct vmemu *, struct address_space *, uint64_t pos,
		     struct mm_struct *, kulong to, uint64_t n,
		     struct file_ra_state *);
/* file/shmem_truncate.c: areas that map a file */
uint32_t count_areas(struct vmemu *, const struct address_space *);

uint64_t shmem_max_blocks(struct vmemu *, uint32_t sb); /* pages; 0: any */

/* file/shmem.c: 0, or -1 = no memory */
int shmem_unuse(struct vmemu *, int type);
/* file/shmem_io.c: sizes, offsets in bytes; bytes or -errno */
/* VM_ACCOUNT: the whole size is promised.  NULL = no memory, or NR_FILES. */
struct address_space *shmem_open(struct vmemu *, uint32_t sb, uint64_t size,
				 kulong flags);
void shmem_close(struct vmemu *, struct address_space *); /* nobody maps it */
int64_t shmem_read(struct vmemu *, struct address_space *, uint64_t offset,
		   void *, size_t n);
int64_t shmem_write(struct vmemu *, struct address_space *, uint64_t offset,
		    const void *, size_t n);
/* Has a page at an index: 1 = it was a hole, 0, -errno. */
int shmem_fill(struct vmemu *, struct address_space *, kulong index);
/* The next index with data, or without, from index on; -1 = none. */
int64_t shmem_find(struct vmemu *, struct address_space *, kulong index,
		   int data);
/* The swap entry of the next page that is in swap, from *index on; 0 = none. */
uint32_t shmem_next_entry(struct vmemu *, struct address_space *,
			  kulong *index);
/* Holes; to UINT64_MAX also copies that private areas have made. */
void shmem_truncate_range(struct vmemu *, struct address_space *,
			  uint64_t start, uint64_t end);

/* file/writeback.c: the dirty pages; 0 or -errno, of earlier writes, too */
int filemap_fdatawrite(struct vmemu *, struct address_space *);

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

/* file/beneath.c: of a name in a directory beneath another of the host; or -errno */
int64_t mode_beneath(int root, const char *path, const char *name);
int64_t readlink_beneath(int root, const char *path, const char *name, char *to,
			 size_t size);

#endif
