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

static void host_size(struct vmemu *m, struct inode *inode)
{
	struct stat st;

	(void)m;
	if (!fstat(inode->fd, &st))
		inode->i_size = (uint64_t)st.st_size;
}

const struct address_space_operations host_aops = {
	.getpage = read_page,
	.writepage = write_page,
	.account_dirty = 1,
	.refresh = host_size,
};
