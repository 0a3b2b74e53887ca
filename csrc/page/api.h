/* page/api.h - what page/ does, for Python and for others. */
#ifndef VMEMU_PAGE_API_H
#define VMEMU_PAGE_API_H
#include "structs.h"

/* page/frame.c */
struct page *alloc_page(struct vmemu *, int gfp);
void get_page(struct vmemu *, struct page *);
void put_page(struct vmemu *, struct page *);
uint32_t page_to_pfn(struct vmemu *, const struct page *);
const char *frame_kind_name(int kind); /* NULL behind the last */
/* Counts the frames of each kind; kinds[pfn] unless NULL: enum frame_kind. */
void frame_kinds(struct vmemu *, uint32_t *counts, uint8_t *kinds);
/* Translated code of freed frames goes, and the frames come back. */
void drop_code(struct vmemu *);
/* A frame that code was fetched from has changed: so does its translated code. */
void code_written(struct vmemu *, struct page *);

/* page/census.c */
/* Judges every frame; mapcount is what page tables say.  0: no host memory. */
int frame_census(struct vmemu *, const uint32_t *mapcount,
		 struct frame_census *);
/* The first max frames that have any of these flags; how many there are. */
uint32_t frames_with(struct vmemu *, kulong flags, uint32_t *pfns,
		     uint32_t max);

/* page/slab.c */
void *kmem_cache_alloc(struct vmemu *, int id, int gfp);
int kmem_cache_owns(struct vmemu *, int id, kptr object);
void kmem_cache_free(struct vmemu *, int id, void *object);

#endif
