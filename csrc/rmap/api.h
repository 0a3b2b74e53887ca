/* rmap/api.h - what rmap/ does, for Python and for others. */
#ifndef VMEMU_RMAP_API_H
#define VMEMU_RMAP_API_H
#include "structs.h"

/* rmap/rmap.c */
void page_add_anon_rmap(struct vmemu *, struct page *, struct vm_area_struct *,
			kulong address);
void page_add_file_rmap(struct vmemu *, struct page *, const pte_t *);
void page_remove_rmap(struct vmemu *, struct page *, struct mm_struct *,
		      const pte_t *);
int page_referenced(struct vmemu *, struct page *);
int try_to_unmap(struct vmemu *, struct page *); /* enum swap_result */
/* rmap/check.c: pages are mapped where[i], frame pfn[i], in order of frames: the
 * first that page_referenced(), or try_to_unmap(), would not find; n = none. */
uint32_t rmap_missing(struct vmemu *, const struct candidate *where,
		      const uint32_t *pfn, uint32_t n, int unmap);
void vma_came_from(struct vmemu *, const struct vm_area_struct *, enum vma_came,
		   kulong from);
/* How try_to_unmap() of a page, if page_referenced() has just made its ptes old
 * and reclaim has it, or page_referenced() would go now; nothing changes. */
void rmap_ask(struct vmemu *, struct page *, int unmap, struct rmap_log *);
struct list_stamps list_stamps(struct vmemu *, const struct vm_area_struct *);
/* rmap/rmap.c: the scheme's part in an mm's life; 0, or -1 = no memory */
int rmap_mm_init(struct vmemu *, struct mm_struct *);
int rmap_mm_dup(struct vmemu *, struct mm_struct *child,
		struct mm_struct *parent);
void rmap_mm_exit(struct vmemu *, struct mm_struct *);

/* rmap/stop.c: how many ptes are to be found, or STOP_NEVER */
uint32_t stop_after(struct vmemu *, struct page *);
struct sharing vmemu_sharing(struct vmemu *);
/* Frames that are reserved at boot to keep what the rule needs. */
uint32_t stop_frames(const uint32_t *option, uint32_t nr_frames);

/* rmap/schemes.c */
const char *vmemu_rmap_name(int i); /* NULL behind the last */

#ifdef VMEMU_CDEF
#define RMAP_SCHEME(name)
#else
#define RMAP_SCHEME(name) extern const struct rmap_ops rmap_##name;
#endif
#include "rmap/schemes.h"

#endif
