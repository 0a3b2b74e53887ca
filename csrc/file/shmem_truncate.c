/*
 * file/shmem_truncate.c - pages of shared memory on their way out: truncation, holes.
 *
 * After mm/truncate.c of 2.6.7.
 */
#include "core/core.h"
#include "file/shmem.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"

void shmem_drop_range(struct vmemu *m, struct address_space *mapping,
		      kulong first, kulong last)
{
	kulong index = first;
	struct page *page;

	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY)) &&
	       index <= last) {
		get_page(m, page);
		lock_page(m, page);
		if (page_mapping(m, page) == mapping) {
			test_clear_page_dirty(m, page);
			remove_from_page_cache(m, page);
		}
		unlock_page(m, page);
		put_page(m, page);
		if (!++index)
			break;
	}
	shmem_truncate(m, mapping, first, last);
}

uint32_t count_areas(struct vmemu *m, const struct address_space *mapping)
{
	kptr head = kaddr(m, &m->k->mmlist), k, v;
	uint32_t n = 0;

	for (k = m->k->mmlist.next; k != head; k = HOST(m, list_head, k)->next)
		for (v = ENTRY(m, k, mm_struct, mmlist)->mmap; v;
		     v = HOST(m, vm_area_struct, v)->vm_next)
			n += HOST(m, vm_area_struct, v)->vm_file ==
			     kaddr(m, mapping);
	return n;
}
