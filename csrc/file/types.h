/* file/types.h - files and the pages of them that are in memory. */
#ifndef VMEMU_FILE_TYPES_H
#define VMEMU_FILE_TYPES_H

enum file_limits {
	NR_FILES = 4096,    /* with an address_space at a time */
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

enum shmem_limits {
	NR_SHMEM_SB = 64, /* file systems that count their pages apart */
};

#define SHMEM_HALF 0xffffffffffffffff /* of RAM and swap */

struct shmem_sb {            /* of a tmpfs */
	uint64_t max_blocks; /* pages; 0: as many as there is memory for; or
			      * SHMEM_HALF */
	uint64_t used;
};

struct shmem_inode_info { /* of a file of tmpfs, or shared memory */
	struct radix_tree_root swap_tree; /* index to swap entry */
	kulong flags;     /* VM_ACCOUNT: promised whole; VM_LOCKED: SHM_LOCK */
	uint64_t alloced; /* pages, in memory or in swap */
	uint64_t swapped; /* of these, in swap */
	uint32_t sb;      /* index of its struct shmem_sb */
};

struct inode {             /* of a file; in the host's memory */
	kptr i_mapping;    /* its address_space; 0: the place is free */
	int fd;            /* the host's descriptor, or -1 */
	uint32_t writable; /* fd can be written to */
	uint64_t i_size;   /* bytes */
	struct shmem_inode_info shmem;
};

struct file_ra_state {    /* how an open file has been read so far */
	kulong prev_page; /* the last page; ~0: none yet */
	kulong size; /* pages of the last window; 0: it was not read in order */
	kulong ra_pages; /* the largest window; 0: each page by itself */
};

struct prio_tree_root {
	kptr node; /* an area; 0: none */
	uint16_t index_bits;
	uint16_t raw;
};

struct prio_tree_node {   /* 16 or 32 bytes, behind a vm_area_struct */
	kptr left, right; /* areas; the list_head of one that is in a vm_set */
	kptr parent;      /* the root's is itself; 0: in a vm_set */
	kptr head; /* the first of its vm_set, and from that the way back */
};

struct address_space { /* 84 or 152 bytes */
	kptr host;     /* 1 + index of its inode; 0 for swapper_space */
	struct radix_tree_root page_tree;
	uint32_t tree_lock;
	union {                        /* which, m->i_mmap says */
		struct list_head list; /* of private areas; shared: behind */
		struct prio_tree_root prio_tree;
		kptr interval_tree; /* its root, an area */
	} i_mmap;
	uint32_t i_mmap_writable;          /* areas that are VM_SHARED */
	struct list_head i_mmap_nonlinear; /* areas that are VM_NONLINEAR */
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
	kptr at;            /* what was found last */
	/* of the prio_tree alone */
	kptr in_set;    /* 0, or the one of its vm_set */
	uint32_t depth; /* the root's is 0 */
	kulong begin;   /* no area there or below begins before it */
};

/*
 * What areas of files are kept in.  To add one: csrc/file/i_mmap_NAME.c, its line
 * in csrc/file/i_mmaps.h, what machine.check() knows of it in vmemu/file/i_mmap.py.
 */
struct i_mmap_ops {
	const char *name;
	uint32_t vma_bytes;   /* that it has behind each vm_area_struct */
	uint32_t space_bytes; /* and behind each address_space */
	/* Nonzero = an area has to be taken out while its range changes. */
	uint32_t by_range;
	void (*init)(struct vmemu *, struct address_space *);
	bool (*empty)(struct vmemu *, struct address_space *);
	void (*insert)(struct vmemu *, struct address_space *,
		       struct vm_area_struct *);
	/* One of the same range as old, which is there.  NULL: as insert. */
	void (*insert_after)(struct vmemu *, struct address_space *,
			     struct vm_area_struct *,
			     struct vm_area_struct *old);
	void (*remove)(struct vmemu *, struct address_space *,
		       struct vm_area_struct *);
	/* The first candidate, and the next; NULL: there are no more. */
	struct vm_area_struct *(*first)(struct vmemu *, struct i_mmap_iter *);
	struct vm_area_struct *(*next)(struct vmemu *, struct i_mmap_iter *);
};

#endif
