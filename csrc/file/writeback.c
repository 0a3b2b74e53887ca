/*
 * file/writeback.c - dirty pages on their way to their files.
 *
 * After mm/filemap.c and mm/page-writeback.c of 2.6.7.  Writing is synchronous: a page
 * is clean when its writepage() returns, and nothing is ever under writeback.
 */
#include "core/core.h"
#include "file/file.h"
#include "page/page.h"
#include "watch/lock.h"

#include <errno.h>

/* Errors are told once. */
static int take_errors(struct address_space *mapping)
{
	kulong errors = mapping->flags & (AS_EIO | AS_ENOSPC);

	mapping->flags &= ~errors;
	return errors & AS_EIO ? -EIO : errors ? -ENOSPC : 0;
}

static void write_one(struct vmemu *m, struct address_space *mapping,
		      struct page *page)
{
	get_page(m, page);
	lock_page(m, page);
	if (page_mapping(m, page) == mapping && test_clear_page_dirty(m, page))
		if (a_ops(mapping)->writepage(m, page) == WRITEPAGE_ACTIVATE)
			set_page_dirty(m, page);
	unlock_page(m, page);
	put_page(m, page);
}

int filemap_fdatawrite(struct vmemu *m, struct address_space *mapping,
		       uint64_t start, uint64_t end)
{
	uint64_t stop = (end >> PAGE_SHIFT) + !!(end & (PAGE_SIZE - 1));
	kulong index = (kulong)(start >> PAGE_SHIFT);
	struct page *page;

	while (a_ops(mapping)->account_dirty &&
	       (page = radix_tree_next(m, &mapping->page_tree, &index,
				       PAGECACHE_TAG_DIRTY)) &&
	       index < stop) {
		write_one(m, mapping, page);
		if (!++index)
			break;
	}
	return take_errors(mapping);
}
