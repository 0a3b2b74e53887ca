/* reclaim/api.h - what reclaim/ does, for Python and for others. */
#ifndef VMEMU_RECLAIM_API_H
#define VMEMU_RECLAIM_API_H
#include "structs.h"

/* reclaim/vmscan.c */
void release_pages(struct vmemu *, struct page *const *, uint32_t n);
void lru_cache_add(struct vmemu *, struct page *);
void lru_cache_add_active(struct vmemu *, struct page *);
void mark_page_accessed(struct vmemu *, struct page *);
void deactivate_page(struct vmemu *, struct page *);
uint32_t shrink_cache(struct vmemu *, uint32_t nr_to_scan); /* pages freed */
void refill_inactive_zone(struct vmemu *, uint32_t nr_pages,
			  int reclaim_mapped);
int reclaim_page(struct vmemu *, struct page *); /* 1 = frame freed */
int pageout_range(struct vmemu *, struct mm_struct *, kulong start,
		  kulong end); /* pages unmapped */

#endif
