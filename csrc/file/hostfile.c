/*
 * file/hostfile.c - pages of a file of the host's: read when they are touched, written
 * when somebody asks or reclaim wants the frame.
 *
 * A page is written by one call, never beyond the end of the file: whatever
 * happens to the emulator, the host has the old page or the new one.
 */
#include "core/core.h"
#include "file/file.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "watch/lock.h"
#include "watch/step.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct page *read_page(struct vmemu *m, struct address_space *mapping,
			      kulong index, int *ret)
{
	struct page *page;
	ssize_t n;

	*ret = FAULT_OOM;
	page = alloc_page(m, GFP_ZERO);
	if (!page)
		return NULL;
	do
		n = pread(inode_of(m, mapping)->fd, page_address(m, page),
			  PAGE_SIZE, (off_t)index << PAGE_SHIFT);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		*ret = FAULT_SIGBUS;
		put_page(m, page);
		return NULL;
	}
	if (add_to_page_cache(m, page, mapping, index)) {
		put_page(m, page);
		return NULL;
	}
	page->flags |= PG_uptodate;
	count(m, CNT_pgpgin);
	waits_for_io(m);
	lru_cache_add(m, page);
	*ret = FAULT_MAJOR;
	return page;
}

static enum writepage_result write_page(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = HOST(m, address_space, page->mapping);
	const struct inode *inode = inode_of(m, mapping);
	uint64_t at = (uint64_t)page->index << PAGE_SHIFT;
	uint64_t size = i_size_read(m, mapping);
	size_t n = size - at < PAGE_SIZE ? (size_t)(size - at) : PAGE_SIZE;
	ssize_t done;

	if (at >= size) /* it has been cut off meanwhile */
		return WRITEPAGE_DONE;
	might_sleep(m, "writing a page of a file");
	shared(m, STEP_read, page_address(m, page));
	do
		done = pwrite(inode->fd, page_address(m, page), n, (off_t)at);
	while (done < 0 && errno == EINTR);
	if (done != (ssize_t)n)
		mapping->flags |=
			done < 0 && errno != ENOSPC ? AS_EIO : AS_ENOSPC;
	count(m, CNT_pgpgout);
	waits_for_io(m);
	return WRITEPAGE_DONE;
}

static int read_pages(struct vmemu *m, struct address_space *mapping,
		      kulong index, struct page *const *pages, uint32_t n)
{
	struct iovec iov[MAX_READAHEAD];
	ssize_t done;
	uint32_t i;

	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ page_address(m, pages[i]), PAGE_SIZE };
	might_sleep(m, "reading pages of a file");
	do
		done = preadv(inode_of(m, mapping)->fd, iov, (int)n,
			      (off_t)index << PAGE_SHIFT);
	while (done < 0 && errno == EINTR);
	/* What the host did not bring may still be had page by page. */
	if (done < 0 || (done < (ssize_t)(n - 1) * PAGE_SIZE + 1))
		return -EIO;
	m->counter[CNT_pgpgin] += n;
	for (i = 0; i < n; i++)
		waits_for_io(m);
	return 0;
}

static void host_size(struct vmemu *m, struct inode *inode)
{
	struct stat st;

	(void)m;
	if (!fstat(inode->fd, &st))
		inode->i_size = (uint64_t)st.st_size;
}

static int host_resize(struct vmemu *m, struct inode *inode, uint64_t size)
{
	(void)m;
	if (size > INT64_MAX)
		return -EFBIG;
	if (ftruncate(inode->fd, (off_t)size))
		return -errno;
	inode->i_size = size;
	return 0;
}

/* Its pages go to the host later, the time of the change is now. */
static void host_written(struct vmemu *m, struct inode *inode)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_nsec = UTIME_NOW } };

	(void)m;
	(void)!futimens(inode->fd, times);
}

const struct address_space_operations host_aops = {
	.getpage = read_page,
	.writepage = write_page,
	.account_dirty = 1,
	.refresh = host_size,
	.resize = host_resize,
	.readpages = read_pages,
	.written = host_written,
};
