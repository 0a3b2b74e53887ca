/*
 * mm/gup.c - pages of user memory for the kernel's own use: get_user_pages().
 *
 * After mm/memory.c of 2.6.7.
 */
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"
#include "watch/step.h"

static bool permits(pte_t pte, int access)
{
	return pte & _PAGE_PRESENT &&
	       (access != ACCESS_WRITE || pte & _PAGE_RW);
}

/* follow_page: the page, if the pte permits the access by now; else NULL. */
static struct page *follow_page(struct vmemu *m, struct mm_struct *mm,
				kulong address, int access, bool get)
{
	struct page *page = NULL;
	pte_t *pte;

	ptl_lock(m, mm);
	pte = pte_lookup(m, mm, address);
	if (pte)
		step(m, STEP_read, pte);
	if (pte && permits(*pte, access)) {
		page = m->mem_map + pte_pfn(*pte);
		if (get)
			get_page(m, page);
	}
	ptl_unlock(m, mm);
	return page;
}

/*
 * Faults in every page of [start, end) that does not permit the access, as
 * get_user_pages() does; mmap_sem is held.
 */
int make_pages_present(struct vmemu *m, struct mm_struct *mm, kulong start,
		       kulong end, int write)
{
	int access = write ? ACCESS_WRITE : ACCESS_READ;

	for (; start < end; start += PAGE_SIZE)
		while (!follow_page(m, mm, start, access, false)) {
			int ret = page_fault_locked(m, mm, start, access);

			if (ret > FAULT_MAJOR)
				return ret;
		}
	return FAULT_MINOR;
}

struct page *get_user_page(struct vmemu *m, struct mm_struct *mm,
			   kulong address, int write)
{
	int access = write ? ACCESS_WRITE : ACCESS_READ;
	struct page *page;

	while (!(page = follow_page(m, mm, address, access, true)))
		if (page_fault_locked(m, mm, address, access) > FAULT_MAJOR)
			return NULL;
	return page;
}
