/*
 * vma.c - an mm's vmas: the sorted list, the tree, the cache, the gaps.
 *
 * Mechanics only; which vmas split and merge is decided in vmemu/mm/vma.py.
 */
#include "internal.h"

static struct vm_area_struct *vma_at(struct vmemu *m, kptr k)
{
	return k ? HOST(m, vm_area_struct, k) : NULL;
}

/* The first vma that ends above address, or NULL; *prev is the one before. */
struct vm_area_struct *find_vma_prev(struct vmemu *m, struct mm_struct *mm,
				     kulong address,
				     struct vm_area_struct **prev)
{
	struct vm_area_struct *found = NULL, *before = NULL;
	kptr k = mm->mm_rb;

	while (k) {
		struct vm_area_struct *vma = ENTRY(m, k, vm_area_struct, vm_rb);

		if (vma->vm_end > address) {
			found = vma;
			if (vma->vm_start <= address && !prev)
				break;
			k = vma->vm_rb.rb_left;
		} else {
			before = vma;
			k = vma->vm_rb.rb_right;
		}
	}
	if (prev)
		*prev = before;
	return found;
}

struct vm_area_struct *find_vma(struct vmemu *m, struct mm_struct *mm,
				kulong address)
{
	struct vm_area_struct *vma = vma_at(m, mm->mmap_cache);

	if (vma && vma->vm_end > address && vma->vm_start <= address)
		return vma;
	vma = find_vma_prev(m, mm, address, NULL);
	if (vma)
		mm->mmap_cache = kaddr(m, vma);
	return vma;
}

struct vm_area_struct *vma_alloc(struct vmemu *m)
{
	return kmem_cache_alloc(m, CACHE_vm_area_struct, GFP_KERNEL);
}

void vma_free(struct vmemu *m, struct vm_area_struct *vma)
{
	kmem_cache_free(m, CACHE_vm_area_struct, vma);
}

/* All fields that the scheme's vma has; links included, for the caller to fix. */
void vma_copy(struct vmemu *m, struct vm_area_struct *to,
	      const struct vm_area_struct *from)
{
	memcpy(to, from, m->rmap->vma_size);
}

static void tree_lock(struct vmemu *m, struct mm_struct *mm)
{
	if (m->rmap->locks_vma_tree)
		ptl_lock(m, mm);
}

static void tree_unlock(struct vmemu *m, struct mm_struct *mm)
{
	if (m->rmap->locks_vma_tree)
		ptl_unlock(m, mm);
}

void vma_link(struct vmemu *m, struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vm_area_struct *prev, *next;

	next = find_vma_prev(m, mm, vma->vm_start, &prev);
	BUG_ON(m, next && next->vm_start < vma->vm_end);
	tree_lock(m, mm);
	vma->vm_mm = kaddr(m, mm);
	vma->vm_next = next ? kaddr(m, next) : 0;
	if (prev)
		prev->vm_next = kaddr(m, vma);
	else
		mm->mmap = kaddr(m, vma);
	vma_rb_insert(m, mm, vma);
	mm->map_count++;
	tree_unlock(m, mm);
	vma_file_link(m, vma);
}

void vma_unlink(struct vmemu *m, struct mm_struct *mm,
		struct vm_area_struct *vma)
{
	struct vm_area_struct *prev;

	vma_file_unlink(m, vma);
	tree_lock(m, mm);
	BUG_ON(m, find_vma_prev(m, mm, vma->vm_start, &prev) != vma);
	if (prev)
		prev->vm_next = vma->vm_next;
	else
		mm->mmap = vma->vm_next;
	vma_rb_erase(m, mm, vma);
	if (mm->mmap_cache == kaddr(m, vma))
		mm->mmap_cache = 0;
	mm->map_count--;
	tree_unlock(m, mm);
}

void vma_file_link(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file)
		return;
	mapping = HOST(m, address_space, vma->vm_file);
	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	list_add_tail(m, &vma->shared.list, &mapping->i_mmap);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

void vma_file_unlink(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file)
		return;
	mapping = HOST(m, address_space, vma->vm_file);
	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	list_del(m, &vma->shared.list);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

/*
 * A stack grows under mmap_sem for read only: two faults are kept apart by the
 * anon_vma's lock, or by page_table_lock where there is none.
 */
void vma_expand_down(struct vmemu *m, struct vm_area_struct *vma, kulong start)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	bool own = !m->rmap->locks_vma_tree;
	enum lock_class class = own ? LOCK_anon_vma : LOCK_page_table;
	uint32_t *lock = own ? &HOST(m, anon_vma, vma->anon_vma)->lock :
			       &mm->page_table_lock;

	spin_lock(m, class, lock);
	if (start < vma->vm_start) {
		kulong pages = (vma->vm_start - start) >> PAGE_SHIFT;

		vma->vm_start = start;
		vma->vm_pgoff -= pages;
		mm->total_vm += pages;
		if (vma->vm_flags & VM_LOCKED)
			mm->locked_vm += pages;
	}
	spin_unlock(m, class, lock);
}

/* The lowest gap of length bytes in [low, high); 0 when there is none. */
static kulong gap_above(struct vmemu *m, struct mm_struct *mm, kulong low,
			kulong high, kulong length)
{
	struct vm_area_struct *vma = find_vma(m, mm, low);

	for (; vma && high - low >= length; vma = vma_at(m, vma->vm_next)) {
		if (vma->vm_start > low && vma->vm_start - low >= length)
			return low;
		low = vma->vm_end;
		if (low > high)
			return 0;
	}
	return high - low >= length ? low : 0;
}

/* The highest one. */
static kulong gap_below(struct vmemu *m, struct mm_struct *mm, kulong low,
			kulong high, kulong length)
{
	while (high >= low && high - low >= length) {
		struct vm_area_struct *vma = find_vma(m, mm, high - length);

		if (!vma || vma->vm_start >= high)
			return high - length;
		high = vma->vm_start;
	}
	return 0;
}

kulong get_unmapped_area(struct vmemu *m, struct mm_struct *mm, kulong low,
			 kulong high, kulong length, int topdown)
{
	if (high < low)
		return 0;
	return topdown ? gap_below(m, mm, low, high, length) :
			 gap_above(m, mm, low, high, length);
}
