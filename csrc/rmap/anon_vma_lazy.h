/* rmap/anon_vma_lazy.h - what others see of anon_vma_lazy. */
#ifndef VMEMU_RMAP_ANON_VMA_LAZY_H
#define VMEMU_RMAP_ANON_VMA_LAZY_H

/*
 * In place of a kptr.  avc_tail.anon_vma: the area is written to and has no
 * anon_vma for that.  As the low bit of page.mapping: the rest is a mm_struct.
 */
enum { LAZY = 1 };

kptr lazy_own(const struct vm_area_struct *); /* its own anon_vma, or 0 */
/* Whether it may have anonymous pages: mapped, or in swap. */
int lazy_has_anon(struct vmemu *, const struct vm_area_struct *);
void lazy_prepare(struct vmemu *, struct vm_area_struct *);
/* new, which has no chain, gets old's, and is written to as old is; into takes
 * over pages of other: 0, or -1 = no memory. */
int lazy_clone(struct vmemu *, struct vm_area_struct *new,
	       const struct vm_area_struct *old);
int lazy_absorb(struct vmemu *, struct vm_area_struct *into,
		const struct vm_area_struct *other);
/* Whether one area may have the pages of both; other NULL: it has none. */
int lazy_can_merge(struct vmemu *, const struct vm_area_struct *vma,
		   const struct vm_area_struct *other);

#endif
RMAP_SCHEME(anon_vma_lazy)
