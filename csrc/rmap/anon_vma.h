/* rmap/anon_vma.h - what others see of anon_vma. */
#ifndef VMEMU_RMAP_ANON_VMA_H
#define VMEMU_RMAP_ANON_VMA_H

struct anon_vma { /* 12 bytes */
	uint32_t lock;
	struct list_head head; /* of anon_vma_tail.anon_vma_node */
};

struct anon_vma_tail { /* 12 bytes, behind a vm_area_struct */
	struct list_head anon_vma_node;
	kptr anon_vma;
};

enum anon_vma_cache { CACHE_anon_vma = CACHE_rmap };

enum anon_vma_owned {
	OWNED_anon_vma = OWNED_rmap, /* of a struct vm_area_struct */
	OWNED_anon_vma_list,         /* of a struct anon_vma */
};

kptr vma_anon_vma(const struct vm_area_struct *); /* its anon_vma, or 0 */
struct anon_vma *anon_vma_alloc(struct vmemu *);
void anon_vma_free(struct vmemu *, struct anon_vma *);
/* new, a copy of old, joins its list, at the front. */
void anon_vma_dup(struct vmemu *, struct vm_area_struct *new,
		  const struct vm_area_struct *old);
void anon_vma_unlink(struct vmemu *, struct vm_area_struct *);
void anon_vma_absorb(struct vmemu *, struct vm_area_struct *into,
		     const struct vm_area_struct *other, int all);
/* anon_vma_prepare's last step; 0 = another thread was first. */
int anon_vma_install(struct vmemu *, struct vm_area_struct *,
		     struct anon_vma *);

#endif
RMAP_SCHEME(anon_vma)
