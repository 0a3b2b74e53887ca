/* file/types.h - files and the pages of them that are in memory. */
#ifndef VMEMU_FILE_TYPES_H
#define VMEMU_FILE_TYPES_H

enum file_limits {
	NR_FILES = 4096, /* with an address_space at a time */
	MAX_READAHEAD = 32, /* pages */
};

/* Whose pages they are: address_space.a_ops; see struct address_space_operations. */
enum file_kind {
	FILE_SWAP, /* swapper_space, which has no file */
	FILE_HOST, /* a file of the host's */
	FILE_SHMEM,
	NR_FILE_KINDS
};

/* Errors of writes that nobody has been told of yet: address_space.flags. */
enum mapping_flags {
	AS_EIO = 1,
	AS_ENOSPC = 2,
};

struct inode {             /* of a file; in the host's memory */
	kptr i_mapping;    /* its address_space; 0: the place is free */
	int fd;            /* the host's descriptor, or -1 */
	uint32_t writable; /* fd can be written to */
	uint64_t i_size;   /* bytes */
};

struct file_ra_state {    /* how an open file has been read so far */
	kulong prev_page; /* the last page; ~0: none yet */
	kulong size; /* pages of the last window; 0: it was not read in order */
	kulong ra_pages; /* the largest window; 0: each page by itself */
};

struct address_space { /* 84 or 152 bytes */
	kptr host;     /* 1 + index of its inode; 0 for swapper_space */
	struct radix_tree_root page_tree;
	uint32_t tree_lock;
	struct list_head i_mmap;  /* of vm_area_struct.shared.list */
	uint32_t i_mmap_writable; /* areas with VM_SHARED */
	struct list_head i_mmap_nonlinear;
	uint32_t i_mmap_lock;
	uint32_t truncate_count;
	kulong nrpages;
	kulong writeback_index;
	kptr a_ops;   /* enum file_kind */
	kulong flags; /* enum mapping_flags */
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
