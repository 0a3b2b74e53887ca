/* reclaim/reclaim.h - the LRU lists from inside. */
#ifndef VMEMU_RECLAIM_RECLAIM_H
#define VMEMU_RECLAIM_RECLAIM_H
#include "base/base.h"
#include "reclaim/api.h"

/* reclaim/vmscan.c */
void lru_remove(struct vmemu *, struct page *);
void release_below(struct vmemu *, struct page *const *, uint32_t n,
		   struct page **below);

#endif
