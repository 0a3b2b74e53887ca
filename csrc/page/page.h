/* page/page.h - frames from inside. */
#ifndef VMEMU_PAGE_PAGE_H
#define VMEMU_PAGE_PAGE_H
#include "base/base.h"
#include "page/api.h"

static inline uint32_t pfn_of(struct vmemu *m, const struct page *page)
{
	return (uint32_t)(page - m->mem_map);
}

static inline void *page_address(struct vmemu *m, const struct page *page)
{
	return m->ram + ((uint64_t)pfn_of(m, page) << PAGE_SHIFT);
}

static inline struct page *virt_to_page(struct vmemu *m, const void *p)
{
	return m->mem_map + (((const uint8_t *)p - m->ram) >> PAGE_SHIFT);
}

/* A frame that code was fetched from must not change under cached blocks. */
static inline bool page_executed(const struct page *page)
{
	return page->flags & PG_arch_1;
}

/* Its only reference goes; free_run() does the rest, and nothing may come between. */
static inline void ready_to_free(struct page *page)
{
	page->_count = 0;
	page->flags = PG_buddy;
}

/* page/frame.c */
bool free_frame(struct vmemu *, struct page *, struct list_head *above);
void free_run(struct vmemu *, struct page *first, struct page *last,
	      struct list_head *above);
void free_page(struct vmemu *, struct page *);
void frames_freed(struct vmemu *, uint32_t freed, uint32_t quarantined);

/* page/slab.c */
void slab_boot(struct vmemu *, uint32_t cache_line);

#endif
