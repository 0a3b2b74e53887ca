/* rmap/avc.h - what other schemes of the core take from anon_vma_chain. */
#ifndef VMEMU_RMAP_AVC_H
#define VMEMU_RMAP_AVC_H
#include "rmap/rmap.h"

/* The anon_vma of the first link, which a fork or a write brought last, or 0. */
kptr avc_first(struct vmemu *, const struct vm_area_struct *);
/* vma gets one more, for its new pages: of the family of parent, or a root if
 * that is 0 and vma has no chain.  0, or -1 = no memory. */
int avc_add_own(struct vmemu *, struct vm_area_struct *, kptr parent);
/* Of struct rmap_ops, and of its rules. */
uint32_t avc_cache_size(const struct vmemu *, int i);
void avc_range_changes(struct vmemu *, struct vm_area_struct *);
void avc_range_changed(struct vmemu *, struct vm_area_struct *);
uint32_t *avc_range_lock(struct vmemu *, const struct vm_area_struct *,
			 const struct vm_area_struct *next);
void avc_walk(struct vmemu *, struct page *, struct rmap_search *);
bool avc_owns_chain(struct vmemu *, const void *vma);
bool avc_owns_list(struct vmemu *, const void *anon_vma);

#endif
