/*
 * file/filemap.c - the page cache of mapped files: program images, read-only.
 *
 * A page in the cache is never dirty: only private mappings exist, and a write
 * to one copies first.
 */
#include "core/core.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"

#include <string.h>
#include <unistd.h>

/* Takes over the host descriptor; NULL = no memory or too many files. */
struct address_space *file_open(struct vmemu *m, int fd)
{
	struct address_space *mapping;
	uint32_t i;

	for (i = 0; i < NR_FILES && m->file_fd[i] >= 0; i++)
		;
	if (i == NR_FILES)
		return NULL;
	mapping = kmem_cache_alloc(m, CACHE_address_space, GFP_KERNEL);
	if (!mapping)
		return NULL;
	mapping->host = i + 1;
	i_mmap_init(m, mapping);
	list_init(m, &mapping->private_list);
	m->file_fd[i] = fd;
	return mapping;
}

/*
 * The file's next cached page, from a frame on; NULL = no more.  By frames, of which
 * there are fewer than places in a file with holes.
 */
static struct page *next_cached(struct vmemu *m, struct address_space *mapping,
				uint32_t *pfn)
{
	kptr k = kaddr(m, mapping);

	while (*pfn < m->nr_frames) {
		struct page *page = &m->mem_map[(*pfn)++];

		if (page->mapping == k && !(page->flags & PG_anon) &&
		    radix_tree_lookup(m, &mapping->page_tree, page->index) ==
			    page)
			return page;
	}
	return NULL;
}

/* Drops the cache and the descriptor; nothing may map the file any more. */
void file_close(struct vmemu *m, struct address_space *mapping)
{
	uint32_t pfn = 0;

	BUG_ON(m, !i_mmap_empty(m, mapping));
	while (mapping->nrpages) {
		struct page *page = next_cached(m, mapping, &pfn);

		BUG_ON(m, !page);
		if (!page)
			break;
		remove_from_page_cache(m, page);
	}
	close(m->file_fd[mapping->host - 1]);
	m->file_fd[mapping->host - 1] = -1;
	kmem_cache_free(m, CACHE_address_space, mapping);
}

/* The file was written: what is cached of it changes in place. */
void file_written(struct vmemu *m, struct address_space *mapping,
		  uint64_t offset, const void *data, size_t n)
{
	const char *from = data;

	while (n) {
		size_t at = offset & (PAGE_SIZE - 1);
		size_t piece = PAGE_SIZE - at < n ? PAGE_SIZE - at : n;
		uint64_t index = offset >> PAGE_SHIFT;
		struct page *page = NULL;

		if (index == (kulong)index)
			page = radix_tree_lookup(m, &mapping->page_tree,
						 (kulong)index);
		if (page) {
			memcpy((char *)page_address(m, page) + at, from, piece);
			code_written(m, page);
		}
		offset += piece;
		from += piece;
		n -= piece;
	}
}

/* A range of the file is zeros now: so is what is cached of it. */
void file_zeroed(struct vmemu *m, struct address_space *mapping, uint64_t start,
		 uint64_t end)
{
	kulong left = mapping->nrpages;
	uint32_t pfn = 0;

	while (left--) {
		struct page *page = next_cached(m, mapping, &pfn);
		uint64_t at, from, to;

		BUG_ON(m, !page);
		if (!page)
			return;
		at = (uint64_t)page->index << PAGE_SHIFT;
		from = start > at ? start - at : 0;
		to = end < at + PAGE_SIZE ? end - at : PAGE_SIZE;
		if (end <= at || from >= PAGE_SIZE)
			continue;
		memset((char *)page_address(m, page) + from, 0, to - from);
		code_written(m, page);
	}
}

/* Nonzero = some area maps it. */
int file_mapped(struct vmemu *m, struct address_space *mapping)
{
	return !i_mmap_empty(m, mapping);
}

struct page *find_get_page(struct vmemu *m, struct address_space *mapping,
			   kulong index)
{
	struct page *page = radix_tree_lookup(m, &mapping->page_tree, index);

	if (page)
		get_page(m, page);
	return page;
}

/* Drops the cache's reference. */
void remove_from_page_cache(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = HOST(m, address_space, page->mapping);

	radix_tree_delete(m, &mapping->page_tree, page->index);
	mapping->nrpages--;
	m->pages.nr_pagecache--;
	page->mapping = 0;
	put_page(m, page);
}

static struct page *read_page(struct vmemu *m, struct address_space *mapping,
			      kulong index, int *ret)
{
	struct page *page = alloc_page(m, GFP_ZERO);
	ssize_t n;

	*ret = FAULT_OOM;
	if (!page)
		return NULL;
	n = pread(m->file_fd[mapping->host - 1], page_address(m, page),
		  PAGE_SIZE, (off_t)index << PAGE_SHIFT);
	if (n <= 0) { /* behind the end of the file */
		*ret = FAULT_SIGBUS;
		put_page(m, page);
		return NULL;
	}
	if (radix_tree_insert(m, &mapping->page_tree, index, page)) {
		put_page(m, page);
		return NULL;
	}
	page->mapping = kaddr(m, mapping);
	page->index = index;
	page->flags |= PG_uptodate;
	mapping->nrpages++;
	m->pages.nr_pagecache++;
	count(m, CNT_pgpgin);
	waits_for_io(m);
	get_page(m, page); /* the cache's */
	lru_cache_add(m, page);
	*ret = FAULT_MAJOR;
	return page;
}

/* The counted page behind address; NULL with *ret = the fault's result. */
struct page *filemap_nopage(struct vmemu *m, struct vm_area_struct *vma,
			    kulong address, int *ret)
{
	struct address_space *mapping = HOST(m, address_space, vma->vm_file);
	kulong index = vma_pgoff(vma, address);
	struct page *page = find_get_page(m, mapping, index);

	if (!page)
		return read_page(m, mapping, index, ret);
	mark_page_accessed(m, page);
	return page;
}
