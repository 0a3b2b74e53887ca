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

int filemap_fdatawrite(struct vmemu *m, struct address_space *mapping)
{
	struct page *page;
	kulong index = 0;

	while (a_ops(mapping)->account_dirty &&
	       (page = radix_tree_next(m, &mapping->page_tree, &index,
				       PAGECACHE_TAG_DIRTY))) {
		write_one(m, mapping, page);
		if (!++index)
			break;
	}
	return take_errors(mapping);
}

/*
 * So many pages may be dirty before whoever makes one more has to write some: 40 % of
 * memory, or half of what processes have not mapped, if that is less, but 5 %.
 */
static uint32_t dirty_limit(const struct vmemu *m)
{
	uint64_t total = m->k->zone.present_pages;
	uint64_t unmapped = 100 - m->pages.nr_mapped * 100ull / total;
	uint64_t ratio = unmapped / 2 < 40 ? unmapped / 2 : 40;

	return (uint32_t)((ratio < 5 ? 5 : ratio) * total / 100);
}

void balance_dirty_pages(struct vmemu *m, struct address_space *mapping)
{
	enum { WRITE_CHUNK = 48 }; /* pages */
	kulong index = mapping->writeback_index;
	struct page *page;
	uint32_t n = 0;

	if (!a_ops(mapping)->account_dirty ||
	    m->pages.nr_dirty <= dirty_limit(m))
		return;
	while (n < WRITE_CHUNK) {
		page = radix_tree_next(m, &mapping->page_tree, &index,
				       PAGECACHE_TAG_DIRTY);
		if (page) {
			write_one(m, mapping, page);
			index++;
			n++;
		} else if (index && mapping->writeback_index) {
			mapping->writeback_index =
				0; /* once more from the start */
			index = 0;
		} else {
			break;
		}
	}
	mapping->writeback_index = index;
}
