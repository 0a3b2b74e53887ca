/*
 * file/readahead.c - pages are read before they are asked for.
 *
 * After mm/readahead.c of 2.6.7, with its sizes: a file that is read in order is
 * read in windows that double, up to 128 kB; one that is not, page by page.  The
 * window ahead of the current one, which 2.6 reads meanwhile, is not there: I/O is
 * synchronous.
 */
#include "core/core.h"
#include "file/file.h"
#include "page/page.h"
#include "reclaim/reclaim.h"

/* No more than half of what is free or easily freed. */
static kulong max_sane_readahead(const struct vmemu *m, kulong nr)
{
	kulong most = (m->k->zone.nr_inactive + m->k->zone.free_pages) / 2;

	return nr < most ? nr : most;
}

/* Pages that are in the cache by now get their contents, and go on their list. */
static int fill_run(struct vmemu *m, struct address_space *mapping,
		    kulong index, struct page **pages, uint32_t n)
{
	int error =
		n ? a_ops(mapping)->readpages(m, mapping, index, pages, n) : 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (error) {
			remove_from_page_cache(m, pages[i]);
		} else {
			pages[i]->flags |= PG_uptodate;
			lru_cache_add(m, pages[i]);
		}
		put_page(m, pages[i]);
	}
	return error;
}

/*
 * Reads nr pages from index on that the file has and the cache has not.  Frames are
 * taken before any is in the cache: a page without its contents is nobody's to see.
 */
static void do_page_cache_readahead(struct vmemu *m,
				    struct address_space *mapping, kulong index,
				    kulong nr)
{
	uint64_t size = i_size_read(m, mapping);
	uint64_t end = (size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1));
	struct page *frames[MAX_READAHEAD], *run[MAX_READAHEAD];
	uint32_t n = 0, got, used = 0;
	kulong at;

	if (index >= end || !a_ops(mapping)->readpages)
		return;
	if (nr > end - index)
		nr = (kulong)(end - index);
	if (nr > MAX_READAHEAD)
		nr = MAX_READAHEAD;
	nr = max_sane_readahead(m, nr);
	for (got = 0; got < nr; got++) {
		frames[got] = alloc_page(m, GFP_ZERO);
		if (!frames[got])
			break;
	}
	for (at = index; at < index + nr && used < got; at++) {
		if (radix_tree_lookup(m, &mapping->page_tree, at)) {
			fill_run(m, mapping, at - n, run, n);
			n = 0;
			continue;
		}
		if (add_to_page_cache(m, frames[used], mapping, at))
			break;
		run[n++] = frames[used++];
	}
	fill_run(m, mapping, at - n, run, n);
	m->counter[CNT_file_ra] += used;
	while (got > used)
		put_page(m, frames[--got]);
}

void force_page_cache_readahead(struct vmemu *m, struct address_space *mapping,
				kulong first, kulong last)
{
	kulong left = last >= first ? last - first + 1 : 0;

	if (last < first)
		return;
	left = max_sane_readahead(m, left ? left : ~(kulong)0);
	while (left) {
		kulong n = left < MAX_READAHEAD ? left : MAX_READAHEAD;

		do_page_cache_readahead(m, mapping, first, n);
		first += n;
		left -= n;
	}
}

void page_cache_readahead(struct vmemu *m, struct address_space *mapping,
			  struct file_ra_state *ra, kulong index)
{
	enum { MIN_READAHEAD = 4 };

	if (index != ra->prev_page + 1 && index != ra->prev_page) {
		ra->size = 0;
		return;
	}
	ra->size = ra->size ? ra->size * 2 : MIN_READAHEAD;
	if (ra->size > ra->ra_pages)
		ra->size = ra->ra_pages;
	if (ra->size > 1)
		do_page_cache_readahead(m, mapping, index, ra->size);
}
