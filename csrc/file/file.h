/* file/file.h - the page cache from inside. */
#ifndef VMEMU_FILE_FILE_H
#define VMEMU_FILE_FILE_H
#include "base/base.h"
#include "file/api.h"

enum writepage_result {
	WRITEPAGE_DONE, /* the page is clean, or has moved to the swap cache */
	WRITEPAGE_ACTIVATE, /* it cannot be written now, and stays dirty */
};

/*
 * What differs from one kind of file to the other.  To add one: enum file_kind, its ops in
 * a file of its own, its line in file/inode.c.
 */
struct address_space_operations {
	/* The page of an index that is not in the page cache, and below the
	 * file's end: in the cache and on the LRU list, with its contents,
	 * counted.  NULL with *ret = the fault's result.  *ret is FAULT_MAJOR
	 * where there was I/O, else it stays. */
	struct page *(*getpage)(struct vmemu *, struct address_space *,
				kulong index, int *ret);
	/* Reclaim or writeback wants a dirty page written.  It is locked, and
	 * PG_dirty is cleared already. */
	enum writepage_result (*writepage)(struct vmemu *, struct page *);
	/* Nonzero: dirty pages count in nr_dirty and are tagged, since they have
	 * a file to go to. */
	int account_dirty;
	/* i_size may have changed where nobody told; NULL: it cannot. */
	void (*refresh)(struct vmemu *, struct inode *);
	/* The file gets another size, which inode->i_size is then: 0, or -errno. */
	int (*resize)(struct vmemu *, struct inode *, uint64_t size);
	/* Reads so many pages, one behind the other from index on, that are in
	 * the page cache already: 0, or -errno.  NULL: no readahead. */
	int (*readpages)(struct vmemu *, struct address_space *, kulong index,
			 struct page *const *, uint32_t n);
	/* It has been written to.  NULL: nobody wants to know. */
	void (*written)(struct vmemu *, struct inode *);
	/* A page has left the page cache; NULL: nobody counts. */
	void (*removed)(struct vmemu *, struct address_space *);
};

extern const struct address_space_operations host_aops;  /* file/hostfile.c */
extern const struct address_space_operations shmem_aops; /* file/shmem.c */

/* No page has such an index: a kulong ends before it. */
static inline bool beyond(uint64_t offset)
{
	return offset >> PAGE_SHIFT != (kulong)(offset >> PAGE_SHIFT);
}

/* file/inode.c */
void close_files(struct vmemu *);
const struct address_space_operations *a_ops(const struct address_space *);

/* file/truncate.c */
/* Ptes of pages first to last go, with even_cows private copies too. */
void unmap_mapping_range(struct vmemu *, struct address_space *, kulong first,
			 kulong last, int even_cows);
/* The page that old bytes end in has zeros behind them. */
void zero_tail(struct vmemu *, struct address_space *, uint64_t old);

/* file/readahead.c */
/* The page at index is wanted, and not there. */
void page_cache_readahead(struct vmemu *, struct address_space *,
			  struct file_ra_state *, kulong index);

/* file/writeback.c: whoever has made a page dirty may have to write some */
void balance_dirty_pages(struct vmemu *, struct address_space *);

/* file/filemap.c */
/* find_get_page(), or the page is brought there; NULL with *ret. */
struct page *read_cache_page(struct vmemu *, struct address_space *,
			     kulong index, int *ret);
struct page *filemap_nopage(struct vmemu *, struct vm_area_struct *,
			    kulong index, int *ret);
/* The file of a page; NULL for one that belongs to none, as anonymous ones do. */
struct address_space *page_mapping(struct vmemu *, const struct page *);
/* With a reference of its own; -1 = no memory, or it is there already. */
int add_to_page_cache(struct vmemu *, struct page *, struct address_space *,
		      kulong index);
void set_page_dirty(struct vmemu *, struct page *);
bool test_clear_page_dirty(struct vmemu *, struct page *);

#endif
