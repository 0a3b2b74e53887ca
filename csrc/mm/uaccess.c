/*
 * mm/uaccess.c - the kernel's copies from and to user memory, faults included.
 *
 * User memory may belong to any mm, not only the running one.  A write honours
 * read-only ptes as an i486 and later does in supervisor mode (CR0.WP).
 */
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/step.h"

/* The host address behind a user address, or NULL after a failed fault. */
static uint8_t *user_page(struct vmemu *m, struct mm_struct *mm, kulong address,
			  int access)
{
	if (address >= TASK_SIZE(m))
		return NULL;
	for (;;) {
		pte_t *pte = pte_lookup(m, mm, address);
		struct page *page;

		/* As the CPU does it: no lock, all in one step. */
		shared(m, STEP_write, pte ? pte : (void *)mm);
		if (!pte || !(*pte & _PAGE_PRESENT) ||
		    (access == ACCESS_WRITE && !(*pte & _PAGE_RW))) {
			if (page_fault(m, mm, address, access) > FAULT_MAJOR)
				return NULL;
			continue;
		}
		*pte |= _PAGE_ACCESSED;
		page = m->mem_map + pte_pfn(*pte);
		touch(m, access == ACCESS_WRITE ? STEP_write : STEP_read,
		      page_address(m, page));
		if (access == ACCESS_WRITE) {
			*pte |= _PAGE_WRITTEN;
			if (page_executed(page))
				code_written(m, page);
		}
		return (uint8_t *)page_address(m, page) +
		       (address & (PAGE_SIZE - 1));
	}
}

static kulong chunk_at(kulong address, kulong n)
{
	kulong room = PAGE_SIZE - (address & (PAGE_SIZE - 1));

	return n < room ? n : room;
}

/* Copies until a page cannot be had; a write goes from the buffer to the user. */
static kulong copy_user(struct vmemu *m, struct mm_struct *mm, kulong user,
			uint8_t *buffer, kulong n, int access)
{
	kulong done = 0;

	while (done < n && user + done >= user) {
		kulong chunk = chunk_at(user + done, n - done);
		uint8_t *p = user_page(m, mm, user + done, access);

		if (!p)
			break;
		if (access == ACCESS_WRITE)
			memcpy(p, buffer + done, chunk);
		else
			memcpy(buffer + done, p, chunk);
		done += chunk;
	}
	return done;
}

int64_t copy_from_user(struct vmemu *m, struct mm_struct *mm, void *to,
		       kulong from, kulong n)
{
	return copy_user(m, mm, from, to, n, ACCESS_READ);
}

int64_t copy_to_user(struct vmemu *m, struct mm_struct *mm, kulong to,
		     const void *from, kulong n)
{
	return copy_user(m, mm, to, (uint8_t *)from, n, ACCESS_WRITE);
}

void device_write(struct vmemu *m, struct page *page, kulong offset,
		  uint8_t byte)
{
	shared(m, STEP_write, page_address(m, page));
	((uint8_t *)page_address(m, page))[offset] = byte;
	set_page_dirty(m, page);
}

/* Length without the NUL; n when there is none within n bytes; -1 = EFAULT. */
int64_t strncpy_from_user(struct vmemu *m, struct mm_struct *mm, void *to,
			  kulong from, kulong n)
{
	kulong done = 0;

	while (done < n) {
		kulong chunk = chunk_at(from + done, n - done);
		uint8_t *p = from + done < from ?
				     NULL :
				     user_page(m, mm, from + done, ACCESS_READ);
		const uint8_t *end;

		if (!p)
			return -1;
		end = memchr(p, 0, chunk);
		if (end)
			chunk = (kulong)(end - p);
		memcpy((uint8_t *)to + done, p, chunk);
		done += chunk;
		if (end)
			return done;
	}
	return n;
}
