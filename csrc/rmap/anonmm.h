/* rmap/anonmm.h - what others see of anonmm. */
#ifndef VMEMU_RMAP_ANONMM_H
#define VMEMU_RMAP_ANONMM_H

struct anonmm { /* 24 bytes */
	int32_t count;
	uint32_t lock;
	kptr mm;
	kptr head;
	struct list_head list; /* the exec bundle, in fork order */
};

struct anonmm_tail { /* 4 bytes, behind an mm_struct */
	kptr anonmm;
};

enum anonmm_cache { CACHE_anonmm = CACHE_rmap };

enum anonmm_owned {
	OWNED_anonmm_ring = OWNED_rmap, /* of a head, struct anonmm */
};

#endif
RMAP_SCHEME(anonmm)
