/* swap/swap.h - swap entries, and the cache from inside. */
#ifndef VMEMU_SWAP_SWAP_H
#define VMEMU_SWAP_SWAP_H
#include "base/base.h"
#include "swap/api.h"

static inline pte_t swp_entry_to_pte(uint32_t entry)
{
	return entry;
}

static inline uint32_t pte_to_swp_entry(pte_t pte)
{
	return pte;
}

static inline uint32_t swp_entry(uint32_t type, uint32_t offset)
{
	return type << 1 | offset << 8;
}

static inline uint32_t swp_type(uint32_t entry)
{
	return entry >> 1 & 0x1f;
}

static inline uint32_t swp_offset(uint32_t entry)
{
	return entry >> 8;
}

/* swap/area.c, swap/cache.c */
void free_swap_and_cache(struct vmemu *, uint32_t entry);
void leave_swap_cache(struct vmemu *, struct page *);
int add_to_swap(struct vmemu *, struct page *);
int add_to_swap_cache(struct vmemu *, struct page *, uint32_t entry);
bool delete_from_swap_cache(struct vmemu *, struct page *, int32_t users);
bool can_share_swap_page(struct vmemu *, struct page *);
bool vm_swap_full(struct vmemu *);
void swap_writepage(struct vmemu *, struct page *);

/* swap/io.c */
#define SWAP_RUN_MAX 64
struct swap_reads { /* by slot */
	uint32_t n;
	struct page *pages[SWAP_RUN_MAX];
};
void swap_write(struct vmemu *, struct page *, uint32_t entry);
void swap_write_flush(struct vmemu *);
void swap_read(struct vmemu *, struct swap_reads *, struct page *);
void swap_read_check(struct vmemu *, struct swap_reads *);
void swap_read_flush(struct vmemu *, struct swap_reads *);
uint16_t *swap_map(struct vmemu *, struct swap_info *, uint32_t offset);

#endif
