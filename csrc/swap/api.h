/* swap/api.h - what swap/ does, for Python and for others. */
#ifndef VMEMU_SWAP_API_H
#define VMEMU_SWAP_API_H
#include "structs.h"

/* swap/area.c, swap/cache.c */
int swap_add(struct vmemu *, int fd, uint32_t pages, int prio); /* type, -1 */
void swap_set_writeok(struct vmemu *, int type, int writeok);
void swap_remove(struct vmemu *, int type); /* nothing in use */
uint32_t get_swap_page(struct vmemu *);     /* entry; 0 = full */
int swap_duplicate(struct vmemu *, uint32_t entry);
uint32_t swap_free(struct vmemu *, uint32_t entry); /* users left */
uint32_t swap_count(struct vmemu *, uint32_t entry);
/* Slots of an area that have users, the first max; how many there are. */
uint32_t swap_slots(struct vmemu *, int type, uint32_t *offsets,
		    uint16_t *users, uint32_t max);
uint32_t swap_total(struct vmemu *); /* pages */
uint32_t swap_used(struct vmemu *);
struct page *lookup_swap_cache(struct vmemu *, uint32_t entry); /* counted */
struct page *read_swap_cache(struct vmemu *, uint32_t entry, int readahead,
			     int *major);
int remove_exclusive_swap_page(struct vmemu *, struct page *);
/* swapoff: 0 = every pte of this area in mm is back, -1 = no memory */
int unuse_mm(struct vmemu *, struct mm_struct *, int type);
/* Slots still in use, which reclaim has given to ptes meanwhile. */
uint32_t swap_drop_cache(struct vmemu *, int type);

#endif
