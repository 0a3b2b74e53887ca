/*
 * swap/io.c - pages on their way to and from swap files.
 *
 * After mm/page_io.c of 2.6.6, where the block layer merges what goes to
 * neighbouring slots.  Here a run of neighbours is one host system call.
 *
 * A write may wait until the run ends, since a frame keeps its contents until
 * somebody gets it: every allocation and every read first sends off what waits.
 * A read may wait while nothing can look at the pages; see may_gather().
 */
#include "page/page.h"
#include "swap/swap.h"

#include <errno.h>
#include <sys/uio.h>

/* One run of neighbouring slots; what goes wrong is told at the next check. */
static void transfer(struct vmemu *m, bool write, uint32_t entry,
		     struct page *const *pages, uint32_t n)
{
	const struct swap_info *si = &m->swap.info[swp_type(entry)];
	off_t at = (off_t)swp_offset(entry) << PAGE_SHIFT;
	struct iovec iov[SWAP_RUN_MAX];
	size_t left = (size_t)n * PAGE_SIZE;
	struct iovec *next = iov, *end = iov + n;
	ssize_t done;
	uint32_t i;

	for (i = 0; i < n; i++) {
		iov[i].iov_base = page_address(m, pages[i]);
		iov[i].iov_len = PAGE_SIZE;
	}
	/* The host may do a part of it, and be interrupted. */
	while (left) {
		done = write ? pwritev(si->fd, next, (int)(end - next), at) :
			       preadv(si->fd, next, (int)(end - next), at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			m->swap.error = done ? errno : EIO;
			m->trouble = 1;
			m->swap.error_write = write;
			return;
		}
		at += done;
		left -= (size_t)done;
		for (; left && done >= (ssize_t)next->iov_len; next++)
			done -= (ssize_t)next->iov_len;
		next->iov_base = (char *)next->iov_base + done;
		next->iov_len -= (size_t)done;
	}
}

void swap_write_flush(struct vmemu *m)
{
	struct swap_run *run = &m->swap.writes;
	uint32_t n = run->n;

	if (!n)
		return;
	run->n = 0;
	transfer(m, true, run->entry, m->swap.write_pages, n);
}

/* The page may be freed at once, its frame may not be written to. */
void swap_write(struct vmemu *m, struct page *page, uint32_t entry)
{
	struct swap_run *run = &m->swap.writes;

	if (run->n && (run->n == SWAP_CLUSTER_MAX ||
		       swp_type(run->entry) != swp_type(entry) ||
		       swp_offset(run->entry) + run->n != swp_offset(entry)))
		swap_write_flush(m);
	if (!run->n)
		run->entry = entry;
	m->swap.write_pages[run->n++] = page;
	if (m->watch.bits &
	    WATCH_EXPLORE) /* part of this step, not of another */
		swap_write_flush(m);
}

/*
 * Frames have no contents yet while their reads wait.  So nobody may come to
 * look: no other path, and no reclaim, which cannot run inside the hook nor
 * while allocations find enough.
 */
static bool may_gather(const struct vmemu *m)
{
	return !(m->watch.bits & WATCH_EXPLORE) &&
	       (m->fault.in_hook ||
		m->k->zone.free_pages > m->k->zone.pages_low + 8);
}

void swap_read_flush(struct vmemu *m, struct swap_reads *reads)
{
	uint32_t i, run;

	swap_write_flush(m);
	for (i = 0; i < reads->n; i += run) {
		uint32_t first = reads->pages[i]->private;

		run = 1;
		while (i + run < reads->n &&
		       swp_offset(reads->pages[i + run]->private) ==
			       swp_offset(first) + run)
			run++;
		transfer(m, false, first, reads->pages + i, run);
	}
	for (i = 0; i < reads->n; i++)
		put_page(m, reads->pages[i]);
	reads->n = 0;
}

/* A page of the swap cache gets its contents, at the latest by the flush. */
void swap_read(struct vmemu *m, struct swap_reads *reads, struct page *page)
{
	uint32_t i = reads->n++;

	/* The target comes first; it belongs among its neighbours. */
	for (; i && swp_offset(reads->pages[i - 1]->private) >
			    swp_offset(page->private);
	     i--)
		reads->pages[i] = reads->pages[i - 1];
	reads->pages[i] = page;
	get_page(m, page);
	if (reads->n == SWAP_RUN_MAX || !may_gather(m))
		swap_read_flush(m, reads);
}

/* Before an allocation: may it find the reads waiting? */
void swap_read_check(struct vmemu *m, struct swap_reads *reads)
{
	if (reads->n && !may_gather(m))
		swap_read_flush(m, reads);
}
