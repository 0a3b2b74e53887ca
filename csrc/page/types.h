/* page/types.h - frames, the zone they belong to, and slabs in them. */
#ifndef VMEMU_PAGE_TYPES_H
#define VMEMU_PAGE_TYPES_H

enum page_flag_bits {
	PG_locked = 1 << 0,
	PG_referenced = 1 << 2,
	PG_uptodate = 1 << 3,
	PG_dirty = 1 << 4,
	PG_lru = 1 << 5,
	PG_active = 1 << 6,
	PG_slab = 1 << 7,
	PG_arch_1 = 1 << 10, /* code has been fetched from this frame */
	PG_reserved = 1 << 11,
	PG_direct = 1 << 16, /* a pte in place of a list of them */
	PG_reclaim = 1 << 17,
	PG_maplock = 1 << 18,
	PG_swapcache = 1 << 19,
	PG_anon = 1 << 20,
	PG_exclusive = 1 << 21, /* one pte's alone, as far as is known */
	PG_pgtable = 1 << 24,   /* vmemu: a page directory or page table */
	PG_buddy = 1 << 25,     /* vmemu: on the free list */
	PG_vmalloc = 1 << 26,   /* vmemu: holds a piece of a swap map */
	PG_exits = 1 << 27, /* vmemu: code in which the engine has to stop */
	PG_rewritten = 1 << 28, /* vmemu: written after code was fetched */
};

struct page { /* 32 or 56 bytes */
	kulong flags;
	int32_t _count;    /* references; 0 = free */
	uint32_t mapcount; /* ptes that map it */
	kulong private;    /* swap entry while PG_swapcache, or ptes */
	kptr mapping;      /* address_space, or the rmap object while PG_anon */
	kulong index;      /* pgoff; while PG_anon, as the scheme likes */
	struct list_head lru;
};

struct slab { /* 24 or 40 bytes, followed by one 4-byte bufctl per object */
	struct list_head list;
	kulong colouroff;
	kptr s_mem;
	uint32_t inuse;
	uint32_t free;
};

enum slab_cache_id {
	CACHE_vm_area_struct,
	CACHE_mm_struct,
	CACHE_address_space,
	CACHE_radix_tree_node,
	CACHE_rmap, /* the first of the scheme's own */
	MAX_RMAP_CACHES = 3,
	NR_CACHES = CACHE_rmap + MAX_RMAP_CACHES
};

struct kmem_cache {
	uint32_t id;
	uint32_t objsize; /* bytes, as declared */
	uint32_t align;   /* bytes */
	uint32_t bufsize; /* bytes, aligned */
	uint32_t num;     /* objects a slab */
	uint32_t slub;    /* nothing but objects in a slab */
	uint32_t nr_slabs;
	uint32_t nr_active;
	struct list_head slabs_full, slabs_partial;
};

struct zone {
	uint32_t lru_lock;
	uint32_t free_pages;
	uint32_t pages_min, pages_low, pages_high;
	uint32_t present_pages;     /* frames not reserved at boot */
	struct list_head free_list; /* frames are taken from its end */
	struct list_head active_list, inactive_list;
	uint32_t nr_active, nr_inactive;
	uint32_t nr_scan_active, nr_scan_inactive;
	uint32_t pages_scanned;
	int32_t prev_priority;
};

enum gfp_bits {
	GFP_KERNEL = 0,
	GFP_ZERO = 1,   /* cleared */
	GFP_ATOMIC = 2, /* no reclaim; may use half of the reserve */
};

/* What a frame serves as; of each frame one, the first that fits. */
enum frame_kind {
	FRAME_reserved, /* at boot: mem_map, the kernel's data, the zero page */
	FRAME_free,
	FRAME_slab,
	FRAME_pagetable,
	FRAME_swapmap,
	FRAME_anon,
	FRAME_swapcache, /* and mapped by nobody */
	FRAME_file,
	FRAME_other, /* freed, but code from it is still translated; or on its way */
	NR_FRAME_KINDS
};

/* What a later kernel's structs take, where that is more; 0: as declared here. */
struct kernel_layout {
	uint32_t slub;        /* its allocator */
	uint32_t vma, mm;     /* bytes, without what is a scheme's */
	uint32_t object;      /* bytes of a scheme's object, if it lived on */
	uint32_t object_room; /* and with what the allocator adds */
};

/* What has to hold of every frame. */
enum frame_rule {
	RULE_mapcount, /* as many ptes as page tables have */
	RULE_count, /* a reference for each, one of its cache, one of the system */
	RULE_free,     /* without a user it is on a list */
	RULE_anon,     /* PG_anon: it is mapped */
	RULE_active,   /* it is on the LRU list that PG_active says */
	RULE_lru,      /* PG_lru: it is on one */
	RULE_unlisted, /* mapped: it is on one */
	NR_FRAME_RULES
};

enum { BROKEN_SHOWN = 4 };

struct frame_census {
	uint32_t mapped, pgtable, free, slab, swapcache; /* frames that are */
	/* lengths of lists */
	uint32_t nr_active, nr_inactive, nr_free, nr_quarantine;
	kptr list, broken_at; /* one whose links are wrong, and where; or 0 */
	uint32_t broken[NR_FRAME_RULES]; /* frames that break a rule */
	uint32_t shown[NR_FRAME_RULES][BROKEN_SHOWN]; /* the first of them */
	int32_t expected[BROKEN_SHOWN]; /* _count of those of RULE_count */
};

struct page_state {
	uint32_t nr_mapped;    /* frames with mapcount > 0 */
	uint32_t nr_pagecache; /* pages of files */
	uint32_t nr_dirty;     /* of these, to be written to their files */
	uint32_t nr_shmem; /* of the page cache, tmpfs's and shared memory's */
	uint32_t nr_pagetable; /* frames that are page tables */
	uint32_t nr_quarantine;
	uint32_t
		handed_out; /* frames from here on never were; reserved ones count */
	uint32_t want_kswapd; /* free pages fell below pages_low */
	uint32_t memalloc;    /* PF_MEMALLOC depth: may use the whole reserve */
};

#endif
