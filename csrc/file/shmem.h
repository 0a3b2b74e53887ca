/* file/shmem.h - files of tmpfs and shared memory from inside. */
#ifndef VMEMU_FILE_SHMEM_H
#define VMEMU_FILE_SHMEM_H
#include "file/file.h"

static inline struct shmem_inode_info *
SHMEM_I(struct vmemu *m, const struct address_space *mapping)
{
	return &inode_of(m, mapping)->shmem;
}

/* file/shmem.c */
/* The page of an index, in the page cache and counted; NULL: *ret says why. */
struct page *shmem_page(struct vmemu *, struct address_space *, kulong index,
			int *ret);
/* The swap entry that stands for the page of an index; 0: it is not in swap. */
uint32_t shmem_swp_entry(struct vmemu *, struct shmem_inode_info *,
			 kulong index);
/* The entries from index on to last go, and what is in swap for them. */
void shmem_truncate(struct vmemu *, struct address_space *, kulong index,
		    kulong last);

/* file/shmem_truncate.c: pages from first to last, included */
void shmem_drop_range(struct vmemu *, struct address_space *, kulong first,
		      kulong last);

#endif
