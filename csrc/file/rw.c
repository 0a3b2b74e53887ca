/*
 * file/rw.c - read() and write(): copies from and to pages of the cache.
 *
 * After do_generic_file_read() and generic_file_aio_write() of mm/filemap.c of 2.6.7.
 * A page that is written over as a whole, or is new, is not read first.
 */
#include "core/core.h"
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "watch/lock.h"
#include "watch/step.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t piece_at(uint64_t pos, uint64_t left)
{
	uint32_t room = PAGE_SIZE - (uint32_t)(pos & (PAGE_SIZE - 1));

	return left < room ? (uint32_t)left : room;
}

static int64_t no_page(int ret)
{
	return ret == FAULT_OOM ? -ENOMEM : -EIO;
}

int64_t generic_file_read(struct vmemu *m, struct address_space *mapping,
			  uint64_t pos, void *to, uint64_t n,
			  struct file_ra_state *ra)
{
	uint64_t size = i_size_read(m, mapping), done = 0;

	if (pos >= size)
		return 0;
	if (n > size - pos)
		n = size - pos;
	while (done < n) {
		uint64_t at = pos + done;
		uint32_t piece = piece_at(at, n - done);
		kulong index = (kulong)(at >> PAGE_SHIFT);
		int ret = FAULT_MINOR;
		struct page *page;

		if (beyond(at))
			break;
		if (ra->ra_pages &&
		    !radix_tree_lookup(m, &mapping->page_tree, index))
			page_cache_readahead(m, mapping, ra, index);
		page = read_cache_page(m, mapping, index, &ret);
		if (!page)
			return done ? (int64_t)done : no_page(ret);
		if (index != ra->prev_page)
			mark_page_accessed(m, page);
		ra->prev_page = index;
		shared(m, STEP_read, page_address(m, page));
		memcpy((char *)to + done,
		       (char *)page_address(m, page) + (at & (PAGE_SIZE - 1)),
		       piece);
		put_page(m, page);
		done += piece;
	}
	return (int64_t)done;
}

static int64_t read_pages(struct vmemu *m, struct address_space *mapping,
			  uint64_t pos, void *to, uint64_t n,
			  struct file_ra_state *ra)
{
	return ra ? generic_file_read(m, mapping, pos, to, n, ra) :
		    shmem_read(m, mapping, pos, to, n);
}

/*
 * By way of a buffer, as read() and write() of two calls would: which pages reclaim
 * finds, when one that is stored to needs memory, does not depend on who copies.
 */
int64_t read_to_user(struct vmemu *m, struct address_space *mapping,
		     uint64_t pos, struct mm_struct *mm, kulong to, uint64_t n,
		     struct file_ra_state *ra)
{
	uint8_t page[PAGE_SIZE], *buffer = page;
	uint64_t done = 0;
	int64_t got = 0, put = 0;

	if (n > sizeof(page))
		buffer = malloc(n < READ_CHUNK ? n : READ_CHUNK);
	if (!buffer)
		return -ENOMEM;
	while (done < n && put == got) {
		uint64_t piece = n - done < READ_CHUNK ? n - done : READ_CHUNK;

		got = read_pages(m, mapping, pos + done, buffer, piece, ra);
		if (got <= 0)
			break;
		put = copy_to_user(m, mm, to + (kulong)done, buffer,
				   (kulong)got);
		done += (uint64_t)put;
	}
	if (buffer != page)
		free(buffer);
	if (done)
		return (int64_t)done;
	return got > 0 ? -EFAULT : got;
}

/* A page of zeros in the cache, counted; NULL with *ret. */
static struct page *new_page(struct vmemu *m, struct address_space *mapping,
			     kulong index, int *ret)
{
	struct page *page = alloc_page(m, GFP_ZERO);

	*ret = FAULT_OOM;
	if (!page)
		return NULL;
	if (add_to_page_cache(m, page, mapping, index)) {
		put_page(m, page);
		return NULL;
	}
	page->flags |= PG_uptodate;
	lru_cache_add(m, page);
	return page;
}

/* The page to be written to, counted; size is what the file had before. */
static struct page *prepare_write(struct vmemu *m,
				  struct address_space *mapping, kulong index,
				  uint32_t piece, uint64_t size, int *ret)
{
	bool whole =
		piece == PAGE_SIZE || (uint64_t)index << PAGE_SHIFT >= size;
	struct page *page = find_get_page(m, mapping, index);

	if (page)
		return page;
	if (whole && a_ops(mapping)->account_dirty)
		page = new_page(m, mapping, index, ret);
	return page ? page : read_cache_page(m, mapping, index, ret);
}

static void commit_write(struct vmemu *m, struct page *page, uint32_t at,
			 const void *from, uint32_t piece)
{
	lock_page(m, page);
	shared(m, STEP_write, page_address(m, page));
	memcpy((char *)page_address(m, page) + at, from, piece);
	code_written(m, page);
	set_page_dirty(m, page);
	unlock_page(m, page);
	mark_page_accessed(m, page);
}

/* The pages of a range that the file has by now. */
static int64_t write_pages(struct vmemu *m, struct address_space *mapping,
			   uint64_t pos, const void *from, uint64_t n,
			   uint64_t size)
{
	uint64_t done = 0;

	while (done < n) {
		uint64_t at = pos + done;
		uint32_t piece = piece_at(at, n - done);
		int ret = FAULT_MINOR;
		struct page *page =
			prepare_write(m, mapping, (kulong)(at >> PAGE_SHIFT),
				      piece, size, &ret);

		if (!page)
			return done ? (int64_t)done : no_page(ret);
		commit_write(m, page, at & (PAGE_SIZE - 1),
			     (const char *)from + done, piece);
		put_page(m, page);
		done += piece;
		balance_dirty_pages(m, mapping);
	}
	return (int64_t)done;
}

int64_t generic_file_write(struct vmemu *m, struct address_space *mapping,
			   uint64_t pos, const void *from, uint64_t n)
{
	struct inode *inode = inode_of(m, mapping);
	uint64_t size = i_size_read(m, mapping), end;
	int64_t done;

	if (!n)
		return 0;
	if (beyond(pos + n - 1))
		return -EFBIG;
	if (pos + n > size) {
		int error = a_ops(mapping)->resize(m, inode, pos + n);

		if (error)
			return error;
		zero_tail(m, mapping, size);
	}
	done = write_pages(m, mapping, pos, from, n, size);
	end = done > 0 ? pos + (uint64_t)done : pos;
	if (pos + n > size && end < pos + n)
		a_ops(mapping)->resize(m, inode, end > size ? end : size);
	if (done > 0 && a_ops(mapping)->written)
		a_ops(mapping)->written(m, inode);
	return done;
}
