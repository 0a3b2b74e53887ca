/*
 * file/inode.c - files: which descriptor of the host is behind an address_space, and
 * what kind of file it is.
 */
#include "core/core.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "page/page.h"
#include "watch/step.h"

#include <unistd.h>

static const struct address_space_operations *const kinds[NR_FILE_KINDS] = {
	[FILE_HOST] = &host_aops,
	[FILE_SHMEM] = &shmem_aops,
};

const struct address_space_operations *
a_ops(const struct address_space *mapping)
{
	return kinds[mapping->a_ops];
}

struct inode *inode_of(struct vmemu *m, const struct address_space *mapping)
{
	return &m->inodes[mapping->host - 1];
}

struct address_space *file_open(struct vmemu *m, enum file_kind kind, int fd,
				int writable)
{
	struct address_space *mapping;
	uint32_t i;

	for (i = 0; i < NR_FILES && m->inodes[i].i_mapping; i++)
		;
	if (i == NR_FILES)
		return NULL;
	if (m->most_inodes <= i)
		m->most_inodes = i + 1;
	mapping = kmem_cache_alloc(m, CACHE_address_space, GFP_KERNEL);
	if (!mapping)
		return NULL;
	mapping->host = i + 1;
	mapping->a_ops = kind;
	i_mmap_init(m, mapping);
	list_init(m, &mapping->private_list);
	m->inodes[i] = (struct inode){ .i_mapping = kaddr(m, mapping),
				       .fd = fd,
				       .writable = (uint32_t)writable };
	if (kinds[kind]->refresh)
		kinds[kind]->refresh(m, &m->inodes[i]);
	return mapping;
}

/* Drops the cache and the descriptor; nothing may map the file any more. */
void file_close(struct vmemu *m, struct address_space *mapping)
{
	struct inode *inode = inode_of(m, mapping);
	struct page *page;
	kulong index = 0;

	BUG_ON(m, !i_mmap_empty(m, mapping));
	filemap_fdatawrite(m, mapping);
	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY))) {
		test_clear_page_dirty(m, page);
		remove_from_page_cache(m, page);
	}
	BUG_ON(m, mapping->nrpages != 0);
	if (inode->fd >= 0)
		close(inode->fd);
	inode->i_mapping = 0;
	kmem_cache_free(m, CACHE_address_space, mapping);
}

/* The machine goes: the host's descriptors do. */
void close_files(struct vmemu *m)
{
	uint32_t i;

	for (i = 0; m->inodes && i < m->most_inodes; i++)
		if (m->inodes[i].i_mapping && m->inodes[i].fd >= 0)
			close(m->inodes[i].fd);
}

/* Runs that are explored begin with the same size, whatever was done before. */
uint64_t i_size_read(struct vmemu *m, const struct address_space *mapping)
{
	struct inode *inode = inode_of(m, mapping);

	if (a_ops(mapping)->refresh && !m->watch.rewinds)
		a_ops(mapping)->refresh(m, inode);
	touch(m, STEP_read, &mapping->host);
	return inode->i_size;
}

/* Nonzero = some area maps it. */
int file_mapped(struct vmemu *m, struct address_space *mapping)
{
	return !i_mmap_empty(m, mapping);
}
