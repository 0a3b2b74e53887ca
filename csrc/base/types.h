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
	kulong tags[2][64 / BITS_PER_LONG];
};

#endif
