/*
 * mm/vma.c - an mm's vmas: the sorted list, the tree, the cache, the gaps.
 *
 * Mechanics only; which vmas split and merge is decided in vmemu/mm/vma.py.
 */
#include "core/core.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

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
	struct vm_area_struct *vma =
		kmem_cache_alloc(m, CACHE_vm_area_struct, GFP_KERNEL);

	if (vma)
		vma_came_from(m, vma, CAME_MAPPED, 0);
	return vma;
}

void vma_free(struct vmemu *m, struct vm_area_struct *vma)
{
	kmem_cache_free(m, CACHE_vm_area_struct, vma);
}

/* All fields but the scheme's; links included, for the caller to fix. */
void vma_copy(struct vmemu *m, struct vm_area_struct *to,
	      const struct vm_area_struct *from)
{
	(void)m;
	*to = *from;
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

/* Into the list and the tree; whatever guards them is held. */
static void insert_vma(struct vmemu *m, struct mm_struct *mm,
		       struct vm_area_struct *vma)
{
	struct vm_area_struct *prev, *next;

	owned(m, vma_list, mm);
	next = find_vma_prev(m, mm, vma->vm_start, &prev);
	BUG_ON(m, next && next->vm_start < vma->vm_end);
	vma->vm_mm = kaddr(m, mm);
	vma->vm_next = next ? kaddr(m, next) : 0;
	if (prev)
		prev->vm_next = kaddr(m, vma);
	else
		mm->mmap = kaddr(m, vma);
	vma_rb_insert(m, mm, vma);
	mm->map_count++;
}

/* old, of the same range, is linked; or NULL. */
static void vma_file_link(struct vmemu *m, struct vm_area_struct *vma,
			  struct vm_area_struct *old)
{
	struct address_space *mapping;

	if (!vma->vm_file)
		return;
	mapping = HOST(m, address_space, vma->vm_file);
	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	i_mmap_insert_after(m, vma, old);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

void vma_link(struct vmemu *m, struct mm_struct *mm, struct vm_area_struct *vma)
{
	tree_lock(m, mm);
	insert_vma(m, mm, vma);
	tree_unlock(m, mm);
	vma_file_link(m, vma, NULL);
}

void vma_link_copy(struct vmemu *m, struct mm_struct *mm,
		   struct vm_area_struct *vma, struct vm_area_struct *old)
{
	tree_lock(m, mm);
	insert_vma(m, mm, vma);
	tree_unlock(m, mm);
	vma_file_link(m, vma, old);
}

/* The reverse of insert_vma(); prev is the vma before. */
static void remove_vma(struct vmemu *m, struct mm_struct *mm,
		       struct vm_area_struct *vma, struct vm_area_struct *prev)
{
	owned(m, vma_list, mm);
	if (prev)
		prev->vm_next = vma->vm_next;
	else
		mm->mmap = vma->vm_next;
	vma_rb_erase(m, mm, vma);
	if (mm->mmap_cache == kaddr(m, vma))
		mm->mmap_cache = 0;
	mm->map_count--;
}

void vma_unlink(struct vmemu *m, struct mm_struct *mm,
		struct vm_area_struct *vma)
{
	struct vm_area_struct *prev;

	vma_file_unlink(m, vma);
	tree_lock(m, mm);
	BUG_ON(m, find_vma_prev(m, mm, vma->vm_start, &prev) != vma);
	remove_vma(m, mm, vma, prev);
	tree_unlock(m, mm);
}

struct vm_area_struct *detach_vmas(struct vmemu *m, struct mm_struct *mm)
{
	struct vm_area_struct *first = vma_at(m, mm->mmap);

	tree_lock(m, mm);
	owned(m, vma_list, mm);
	mm->mmap = mm->mm_rb = mm->mmap_cache = 0;
	mm->map_count = 0;
	tree_unlock(m, mm);
	return first;
}

void vma_file_unlink(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file)
		return;
	mapping = HOST(m, address_space, vma->vm_file);
	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	i_mmap_remove(m, vma);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

/* ---- where a vma ends --------------------------------------------------------- */

/*
 * What reclaim holds while it computes addresses from a vma's ends: the lock of
 * the file's vmas, and those of the anonymous pages', see range_locks().
 */
struct end_locks {
	uint32_t *file;
	struct range_locks anon;
};

static struct end_locks lock_range(struct vmemu *m,
				   const struct vm_area_struct *vma,
				   const struct vm_area_struct *next)
{
	struct end_locks locks = { NULL, range_locks(m, vma, next) };

	if (vma->vm_file)
		locks.file = &HOST(m, address_space, vma->vm_file)->i_mmap_lock;
	if (locks.file)
		spin_lock(m, LOCK_i_mmap, locks.file);
	if (locks.anon.page_table)
		spin_lock(m, LOCK_page_table, locks.anon.page_table);
	if (locks.anon.rmap)
		spin_lock(m, LOCK_rmap, locks.anon.rmap);
	return locks;
}

static void unlock_range(struct vmemu *m, const struct end_locks *locks)
{
	if (locks->anon.rmap)
		spin_unlock(m, LOCK_rmap, locks->anon.rmap);
	if (locks->anon.page_table)
		spin_unlock(m, LOCK_page_table, locks->anon.page_table);
	if (locks->file)
		spin_unlock(m, LOCK_i_mmap, locks->file);
}

/* Of an area that is on no file's lists. */
static void move_range(struct vmemu *m, struct vm_area_struct *vma,
		       kulong start, kulong end)
{
	owned(m, vma_range, vma);
	if (m->rmap->range_changes)
		m->rmap->range_changes(m, vma);
	if (start > vma->vm_start)
		vma->vm_pgoff += (start - vma->vm_start) >> PAGE_SHIFT;
	else
		vma->vm_pgoff -= (vma->vm_start - start) >> PAGE_SHIFT;
	vma->vm_start = start;
	vma->vm_end = end;
	if (m->rmap->range_changed)
		m->rmap->range_changed(m, vma);
}

static void set_range(struct vmemu *m, struct vm_area_struct *vma, kulong start,
		      kulong end)
{
	i_mmap_range_changes(m, vma);
	move_range(m, vma, start, end);
	i_mmap_range_changed(m, vma);
}

/* What vma, from start to end by now, has left of it. */
static void insert_part(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, struct vm_area_struct *part)
{
	BUG_ON(m,
	       part->vm_end != vma->vm_start && part->vm_start != vma->vm_end);
	insert_vma(m, mm, part);
	if (part->vm_file)
		i_mmap_insert(m, part);
	vma_came_from(m, part, CAME_SPLIT, vma->vm_start);
	if (m->rmap->vma_split)
		m->rmap->vma_split(m, part, vma);
}

/* The vma behind begins where vma ends by now, if anything is left of it. */
static void adjust_next(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, struct vm_area_struct *next)
{
	if (vma->vm_end > next->vm_start)
		vma_came_from(m, vma, CAME_MERGED, next->vm_start);
	else
		vma_came_from(m, next, CAME_MERGED, vma->vm_start);
	if (vma->vm_end < next->vm_end) {
		set_range(m, next, vma->vm_end, next->vm_end);
		return;
	}
	remove_vma(m, mm, next, vma);
	if (next->vm_file)
		i_mmap_remove(m, next);
	move_range(m, next, next->vm_start, next->vm_start);
}

void vma_adjust(struct vmemu *m, struct vm_area_struct *vma, kulong start,
		kulong end, struct vm_area_struct *insert)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	struct vm_area_struct *next = vma_at(m, vma->vm_next);
	struct end_locks locks;

	if (insert || (end >= vma->vm_end && (!next || next->vm_start >= end)))
		next = NULL;
	BUG_ON(m, !insert && !next && end < vma->vm_end);
	locks = lock_range(m, vma, next);
	set_range(m, vma, start, end);
	if (insert)
		insert_part(m, mm, vma, insert);
	if (next)
		adjust_next(m, mm, vma, next);
	unlock_range(m, &locks);
}

void mm_account(struct vmemu *m, struct mm_struct *mm, int64_t total,
		int64_t locked)
{
	owned(m, mm_sizes, mm);
	if (mm->total_vm > mm->hiwater_vm)
		mm->hiwater_vm = mm->total_vm;
	mm->total_vm += (kulong)total;
	mm->locked_vm += (kulong)locked;
}

/*
 * A stack grows under mmap_sem for read only: two faults are kept apart by the
 * scheme's lock, which it has since it was written to, or by page_table_lock.
 */
kulong vma_expand_down(struct vmemu *m, struct vm_area_struct *vma,
		       kulong start)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	struct end_locks locks = lock_range(m, vma, NULL);
	kulong pages = 0;

	BUG_ON(m, !locks.anon.page_table && !locks.anon.rmap);
	if (start < vma->vm_start) {
		pages = (vma->vm_start - start) >> PAGE_SHIFT;
		set_range(m, vma, start, vma->vm_end);
		mm_account(m, mm, (int64_t)pages,
			   vma->vm_flags & VM_LOCKED ? (int64_t)pages : 0);
	}
	unlock_range(m, &locks);
	return pages;
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
