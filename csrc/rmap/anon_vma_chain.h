/* rmap/anon_vma_chain.h - what others see of anon_vma_chain. */
#ifndef VMEMU_RMAP_ANON_VMA_CHAIN_H
#define VMEMU_RMAP_ANON_VMA_CHAIN_H

struct avc_anon_vma {  /* 16 or 32 bytes; 2.6.36's struct anon_vma */
	uint32_t lock; /* used of the family's root only */
	kptr root; /* made for the oldest ancestor's vma; its own is itself */
	struct list_head
		head; /* of anon_vma_chain.same_anon_vma; of a tree, next
				  is the root, and prev unused */
};

struct anon_vma_chain { /* 24 or 48 bytes: "this vma may have its pages" */
	kptr vma, anon_vma;
	struct list_head same_vma; /* all of the vma */
	struct list_head same_anon_vma;
};

struct avc_interval { /* 32 or 64 bytes: the same on an interval tree, as in 3.7 */
	kptr vma, anon_vma;
	struct list_head same_vma;
	kptr rb_parent; /* struct interval_node */
	kptr rb_right, rb_left;
	kulong rb_subtree_last;
};

struct avc_degree {  /* 12 or 24 bytes, behind an anon_vma that may be reused */
	kptr parent; /* 0: a root */
	kulong num_children;    /* anon_vmas whose parent it is */
	kulong num_active_vmas; /* vmas whose own it is */
};

struct avc_tail {               /* 12 or 24 bytes, behind a vm_area_struct */
	struct list_head chain; /* of anon_vma_chain.same_vma, own first; not
				   set up before there is an anon_vma */
	kptr anon_vma;          /* its own, for new pages */
};

enum avc_option {
	AVC_TREE,  /* 0: anon_vmas have lists; 1: interval trees */
	AVC_REUSE, /* 1: fork adopts an ancestor's anon_vma, as in 3.19 */
};

enum avc_cache { CACHE_avc_anon_vma = CACHE_rmap, CACHE_anon_vma_chain };

enum avc_owned {
	OWNED_avc_chain = OWNED_rmap, /* of a struct vm_area_struct */
	OWNED_avc_list,               /* of a struct avc_anon_vma */
};

kptr avc_anon_vma(const struct vm_area_struct *); /* its own, or 0 */
/* Whether it is on one anon_vma's list only. */
int avc_singular(struct vmemu *, const struct vm_area_struct *);
/* The first write: vma gets an anon_vma, adopted from a neighbour unless that is
 * 0.  0, or -1 = no memory. */
int avc_prepare(struct vmemu *, struct vm_area_struct *, kptr adopted);
/* new, which has none, gets old's anon_vma and whole chain: 0, or -1 = no
 * memory. */
int avc_clone(struct vmemu *, struct vm_area_struct *new,
	      const struct vm_area_struct *old);
void avc_unlink(struct vmemu *, struct vm_area_struct *);

#endif
RMAP_SCHEME(anon_vma_chain)
