/*
 * lock.c - the kernel's locks as objects: taken, counted and, when somebody
 * watches, checked and explored.
 *
 * One path runs at a time, so in an ordinary run a lock is never found taken: if
 * it is, the path has taken it itself, a self-deadlock.  Under the explorer
 * (WATCH_EXPLORE) every step may let another path run, and a taken lock makes
 * its taker wait.  Under the checker (WATCH_LOCKS) Python sees each operation.
 */
#include "internal.h"

const char *vmemu_lock_name(int lock_class)
{
	static const char *const names[NR_LOCK_CLASSES] = {
		"mmap_sem",      "page_lock",   "page_table_lock",
		"page_map_lock", "i_mmap_lock", "anonmm_lock",
		"anon_vma_lock", "swap_lock",   "lru_lock"
	};
	return lock_class >= 0 && lock_class < NR_LOCK_CLASSES ?
		       names[lock_class] :
		       NULL;
}

static bool bits_set(struct vmemu *m, enum lock_class class, kptr object)
{
	uint32_t word = *(uint32_t *)host(m, object);

	switch (class) {
	case LOCK_mmap_sem:
		return word != 0;
	case LOCK_page:
		return word & PG_locked;
	case LOCK_page_map:
		return word & PG_maplock;
	default:
		return word & 1;
	}
}

static void wait_for(struct vmemu *m, enum lock_class class, kptr object)
{
	if (!(m->watch & WATCH_EXPLORE)) {
		BUG(m, "self-deadlock: %s at %#x is taken already",
		    vmemu_lock_name(class), object);
		return;
	}
	while (bits_set(m, class, object) && !m->bug[0])
		if (py_step_entry(m, STEP_wait, class, object))
			return;
}

void lock_watched(struct vmemu *m, enum lock_class class, kptr object,
		  bool taken)
{
	if (m->watch) {
		py_step_entry(m, STEP_lock, class, object);
		taken = bits_set(m, class, object);
	}
	if (taken)
		wait_for(m, class, object);
}

bool trylock_watched(struct vmemu *m, enum lock_class class, kptr object,
		     bool taken)
{
	if (m->watch) {
		py_step_entry(m, STEP_trylock, class, object);
		taken = bits_set(m, class, object);
	}
	if (taken)
		m->lock_stat[class].failed++;
	return !taken;
}

void unlock_watched(struct vmemu *m, enum lock_class class, kptr object,
		    bool taken)
{
	if (m->watch)
		py_step_entry(m, STEP_unlock, class, object);
	if (!taken)
		BUG(m, "unlock of %s at %#x, which nobody holds",
		    vmemu_lock_name(class), object);
}

void step_watched(struct vmemu *m, enum step_kind kind, kptr object)
{
	py_step_entry(m, kind, -1, object);
}

/* ---- mmap_sem: count is the number of readers, or -1 for the writer --------- */

void down_read(struct vmemu *m, struct mm_struct *mm)
{
	uint32_t *count = (uint32_t *)&mm->mmap_sem.count;

	if (unlikely(m->watch))
		py_step_entry(m, STEP_lock, LOCK_mmap_sem, kaddr(m, count) | 1);
	while (unlikely(mm->mmap_sem.count < 0)) {
		if (!(m->watch & WATCH_EXPLORE)) {
			BUG(m, "self-deadlock: mmap_sem is held for write");
			return;
		}
		if (m->bug[0] || py_step_entry(m, STEP_wait, LOCK_mmap_sem,
					       kaddr(m, count) | 1))
			break;
	}
	mm->mmap_sem.count++;
	lock_acquired(m, LOCK_mmap_sem);
}

void down_write(struct vmemu *m, struct mm_struct *mm)
{
	uint32_t *count = (uint32_t *)&mm->mmap_sem.count;

	if (unlikely(m->watch || *count))
		lock_watched(m, LOCK_mmap_sem, kaddr(m, count), *count != 0);
	mm->mmap_sem.count = -1;
	lock_acquired(m, LOCK_mmap_sem);
}

static void released(struct vmemu *m, struct mm_struct *mm)
{
	struct lock_stat *stat = &m->lock_stat[LOCK_mmap_sem];

	if (unlikely(m->watch || !mm->mmap_sem.count))
		unlock_watched(m, LOCK_mmap_sem, kaddr(m, &mm->mmap_sem.count),
			       mm->mmap_sem.count != 0);
	stat->steps_held += m->steps - stat->since;
}

void up_read(struct vmemu *m, struct mm_struct *mm)
{
	released(m, mm);
	mm->mmap_sem.count--;
}

void up_write(struct vmemu *m, struct mm_struct *mm)
{
	released(m, mm);
	mm->mmap_sem.count = 0;
}

/* ---- for Python --------------------------------------------------------------- */

void lock_page_table(struct vmemu *m, struct mm_struct *mm)
{
	ptl_lock(m, mm);
}

void unlock_page_table(struct vmemu *m, struct mm_struct *mm)
{
	ptl_unlock(m, mm);
}

/*
 * mmap_sem, held for write, guards vm_flags.  Before rmap 34, mlock, madvise and
 * mprotect took page_table_lock around the store as well.
 */
void vma_set_flags(struct vmemu *m, struct vm_area_struct *vma, kulong flags)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);

	if (m->vm_flags_lock)
		ptl_lock(m, mm);
	step(m, STEP_write, &vma->vm_flags);
	vma->vm_flags = flags;
	vma->vm_page_prot = vm_page_prot(flags);
	if (m->vm_flags_lock)
		ptl_unlock(m, mm);
}
