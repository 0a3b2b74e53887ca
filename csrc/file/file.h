/* file/file.h - the page cache from inside. */
#ifndef VMEMU_FILE_FILE_H
#define VMEMU_FILE_FILE_H
#include "base/base.h"
#include "file/api.h"

/* file/filemap.c */
struct page *filemap_nopage(struct vmemu *, struct vm_area_struct *,
			    kulong address, int *ret);

#endif
