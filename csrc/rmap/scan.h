/* rmap/scan.h - what others see of scan. */
#ifndef VMEMU_RMAP_SCAN_H
#define VMEMU_RMAP_SCAN_H

struct scan_tail {           /* 4 or 8 bytes, behind an mm_struct */
	kulong swap_address; /* the sweep goes on from here */
};

enum scan_owned {
	OWNED_swap_mm = OWNED_rmap, /* of a struct rmap_data */
	OWNED_swap_address,         /* of a struct mm_struct */
};

#endif
RMAP_SCHEME(scan)
