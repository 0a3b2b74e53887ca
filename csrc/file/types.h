/* file/types.h - files and the pages of them that are in memory. */
#ifndef VMEMU_FILE_TYPES_H
#define VMEMU_FILE_TYPES_H

enum file_limits {
	NR_FILES = 64, /* mapped host files */
};

struct address_space { /* 84 or 152 bytes */
	kptr host; /* 1 + index of the file in struct vmemu; 0 for swapper_space */
	struct radix_tree_root page_tree;
	uint32_t tree_lock;
	struct list_head i_mmap; /* of vm_area_struct.shared.list */
	uint32_t i_mmap_writable;
	struct list_head i_mmap_nonlinear;
	uint32_t i_mmap_lock;
	uint32_t truncate_count;
	kulong nrpages;
	kulong writeback_index;
	kptr a_ops;
	kulong flags;
	kptr backing_dev_info;
	uint32_t private_lock;
	struct list_head private_list;
	kptr assoc_mapping;
};

/* How far a walk over the areas of a file has come. */
struct i_mmap_iter {
	struct address_space *mapping;
	kulong first, last; /* pages of the file that are looked for */
	kptr at;
};

/* What areas of files are kept in; i_mmap_lock is held. */
struct i_mmap_ops {
	const char *name;
	void (*init)(struct vmemu *, struct address_space *);
	bool (*empty)(struct vmemu *, const struct address_space *);
	void (*insert)(struct vmemu *, struct address_space *,
		       struct vm_area_struct *);
	void (*remove)(struct vmemu *, struct address_space *,
		       struct vm_area_struct *);
	/* The first candidate, and the next; NULL: there are no more. */
	struct vm_area_struct *(*first)(struct vmemu *, struct i_mmap_iter *);
	struct vm_area_struct *(*next)(struct vmemu *, struct i_mmap_iter *);
};

#endif
