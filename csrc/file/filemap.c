/*
 * file/filemap.c - the page cache: pages of files, by file and index.
 *
 * After mm/filemap.c of 2.6.7.  A page is in the cache once, whoever maps, reads or
 * writes it, so all see the same bytes.
 */
#include "core/core.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "watch/step.h"

#include <string.h>

/* A range of the file is zeros now: so is what is cached of it. */
void file_zeroed(struct vmemu *m, struct address_space *mapping, uint64_t start,
		 uint64_t end)
{
	kulong index = (kulong)(start >> PAGE_SHIFT);
	struct page *page;

	if (end <= start || beyond(start))
		return;
	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY))) {
		uint64_t at = (uint64_t)index << PAGE_SHIFT;
		uint64_t from = start > at ? start - at : 0;
		uint64_t to = end < at + PAGE_SIZE ? end - at : PAGE_SIZE;

		if (end <= at)
			return;
		memset((char *)page_address(m, page) + from, 0, to - from);
		code_written(m, page);
		if (!++index)
			return;
	}
}

struct page *find_get_page(struct vmemu *m, struct address_space *mapping,
			   kulong index)
{
	struct page *page;

	shared(m, STEP_read, &mapping->page_tree);
	page = radix_tree_lookup(m, &mapping->page_tree, index);
	if (page)
		get_page(m, page);
	return page;
}

struct address_space *page_mapping(struct vmemu *m, const struct page *page)
{
	if (!page->mapping || page->flags & (PG_anon | PG_swapcache))
		return NULL;
	return HOST(m, address_space, page->mapping);
}

int add_to_page_cache(struct vmemu *m, struct page *page,
		      struct address_space *mapping, kulong index)
{
	shared(m, STEP_write, &mapping->page_tree);
	if (radix_tree_lookup(m, &mapping->page_tree, index) ||
	    radix_tree_insert(m, &mapping->page_tree, index, page))
		return -1;
	page->mapping = kaddr(m, mapping);
	page->index = index;
	mapping->nrpages++;
	m->pages.nr_pagecache++;
	m->pages.nr_shmem += mapping->a_ops == FILE_SHMEM;
	get_page(m, page);
	return 0;
}

/* Drops the cache's reference; the page is clean. */
void remove_from_page_cache(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = HOST(m, address_space, page->mapping);

	touch(m, STEP_write, &mapping->page_tree);
	radix_tree_delete(m, &mapping->page_tree, page->index);
	mapping->nrpages--;
	m->pages.nr_pagecache--;
	m->pages.nr_shmem -= mapping->a_ops == FILE_SHMEM;
	page->mapping = 0;
	if (a_ops(mapping)->removed)
		a_ops(mapping)->removed(m, mapping);
	put_page(m, page);
}

static bool accounted(const struct address_space *mapping)
{
	return mapping && a_ops(mapping)->account_dirty;
}

/* Of a page of a file: it is to be written there some time. */
void set_page_dirty(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = page_mapping(m, page);

	touch(m, STEP_write, &page->flags);
	if (page->flags & PG_dirty)
		return;
	page->flags |= PG_dirty;
	if (!accounted(mapping))
		return;
	m->pages.nr_dirty++;
	radix_tree_tag_set(m, &mapping->page_tree, page->index,
			   PAGECACHE_TAG_DIRTY);
}

/* Who clears it writes the page, or lets it go. */
bool test_clear_page_dirty(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = page_mapping(m, page);

	shared(m, STEP_write, &page->flags);
	if (!(page->flags & PG_dirty))
		return false;
	page->flags &= ~(kulong)PG_dirty;
	if (accounted(mapping)) {
		m->pages.nr_dirty--;
		radix_tree_tag_clear(m, &mapping->page_tree, page->index,
				     PAGECACHE_TAG_DIRTY);
	}
	return true;
}

struct page *read_cache_page(struct vmemu *m, struct address_space *mapping,
			     kulong index, int *ret)
{
	struct page *page;

	do {
		page = find_get_page(m, mapping, index);
		if (page) {
			page->flags |= PG_uptodate;
			return page;
		}
		page = a_ops(mapping)->getpage(m, mapping, index, ret);
		/* Somebody may have been faster. */
	} while (!page && *ret == FAULT_OOM &&
		 radix_tree_lookup(m, &mapping->page_tree, index));
	return page;
}

/* Whether the file has something at that index; the last page may be a part. */
static bool reaches(uint64_t size, kulong index)
{
	return index < (size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1));
}

static bool within(struct vmemu *m, struct address_space *mapping, kulong index)
{
	return reaches(i_size_read(m, mapping), index);
}

/* The same for a page that is cached, where the file is asked only if it was shorter:
 * truncate leaves pages there after it has set the size. */
static bool still_within(struct vmemu *m, struct address_space *mapping,
			 kulong index)
{
	touch(m, STEP_read, &mapping->host);
	return reaches(inode_of(m, mapping)->i_size, index) ||
	       within(m, mapping, index);
}

/* The counted page of this index; NULL with *ret = the fault's result. */
struct page *filemap_nopage(struct vmemu *m, struct vm_area_struct *vma,
			    kulong index, int *ret)
{
	struct address_space *mapping = HOST(m, address_space, vma->vm_file);
	struct page *page = find_get_page(m, mapping, index);

	if (!page) {
		if (!within(m, mapping, index)) {
			*ret = FAULT_SIGBUS;
			return NULL;
		}
		if (vma->vm_flags & VM_SEQ_READ && !m->fault.in_hook)
			force_page_cache_readahead(m, mapping, index + 1,
						   index + MAX_READAHEAD);
		return read_cache_page(m, mapping, index, ret);
	}
	if (!still_within(m, mapping, index)) {
		put_page(m, page);
		*ret = FAULT_SIGBUS;
		return NULL;
	}
	page->flags |= PG_uptodate; /* fallocate() may have made it */
	mark_page_accessed(m, page);
	return page;
}
