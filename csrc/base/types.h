/* base/types.h - structures that lead from one guest object to others. */
#ifndef VMEMU_BASE_TYPES_H
#define VMEMU_BASE_TYPES_H

struct list_head {
	kptr next, prev;
};

struct rb_node {
	kptr rb_parent;
	int32_t rb_color;
	kptr rb_right, rb_left;
};

enum radix_tree_tag {
	RADIX_TREE_ANY = -1,     /* whatever is there */
	PAGECACHE_TAG_DIRTY,     /* to be written to its file */
	PAGECACHE_TAG_WRITEBACK, /* being written: never seen */
	NR_RADIX_TAGS
};

struct interval_node {  /* 16 or 32 bytes; of base/interval_tree.c */
	kptr rb_parent; /* and 1: black */
	kptr rb_right, rb_left;
	kulong rb_subtree_last; /* the last offset of all below it */
};

struct radix_tree_root {
	uint32_t height;
	int32_t gfp_mask;
	kptr rnode;
};

struct radix_tree_node { /* 276 or 536 bytes */
	uint32_t count;
	kptr slots[64];
	kulong tags[NR_RADIX_TAGS][64 / BITS_PER_LONG];
};

#endif
