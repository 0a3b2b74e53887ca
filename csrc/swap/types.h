/* swap/types.h - swap areas, their slots, and the cache in front of them. */
#ifndef VMEMU_SWAP_TYPES_H
#define VMEMU_SWAP_TYPES_H

enum swap_limits {
	SWAP_CLUSTER_MAX = 32,
	MAX_SWAPFILES = 32,
	SWAP_MAP_MAX = 0x7fff,
	SWAP_MAP_BAD = 0x8000,
	SWAPFILE_CLUSTER = 256,
};

struct swap_run {       /* of neighbouring slots */
	uint32_t entry; /* the first one's */
	uint32_t n;
};

struct swap_info {
	int fd; /* -1 = slot unused */
	int prio;
	uint32_t writeok;
	uint32_t max;   /* pages, header included */
	uint32_t pages; /* usable slots */
	uint32_t inuse;
	uint32_t lowest_bit, highest_bit;
	uint32_t cluster_next, cluster_nr;
	uint32_t nr_map_frames;
	kptr *map_frames; /* guest frames of the swap map, 2048 uint16_t each */
};

struct swap_state {
	struct swap_info info[MAX_SWAPFILES];
	struct swap_run writes; /* not yet sent, see swap/io.c */
	struct page *write_pages[SWAP_CLUSTER_MAX];
	int error; /* errno of the host's, with which a swap file failed */
	uint32_t error_write; /* it was to be written */
};

#endif
