/*
 * watch/lock.c - the kernel's locks as objects: taken, counted and, when somebody
 * watches, checked and explored.
 *
 * One path runs at a time, so in an ordinary run nobody waits: spinlocks are
 * only counted, and a semaphore found taken is the path's own, a self-deadlock.
 * Under the explorer (WATCH_EXPLORE) every step may let another path run, and it
 * returns from a lock's step when the lock is free.  Under WATCH_LOCKS watch/lockdep.c
 * checks each operation.
 */
#include "watch/lock.h"
#include "core/core.h"
#include "mm/mm.h"
#include "watch/step.h"

/* Under a scheme; under NULL, or one without a lock, LOCK_rmap is "rmap_lock". */
const char *vmemu_lock_name(const struct rmap_ops *rmap, int lock_class)
{
	static const char *const names[NR_LOCK_CLASSES] = {
		"mmap_sem",      "page_lock", "i_mmap_lock", "page_table_lock",
		"page_map_lock", "rmap_lock", "swap_lock",   "lru_lock"
	};

	if (lock_class < 0 || lock_class >= NR_LOCK_CLASSES)
		return NULL;
	if (lock_class == LOCK_rmap && rmap && rmap->lock_name)
		return rmap->lock_name;
	return names[lock_class];
}

/* The bit of its word that says a lock is taken. */
static uint32_t lock_bit(enum lock_class class)
{
	switch (class) {
	case LOCK_mmap_sem:
		return ~0u;
	case LOCK_page:
		return PG_locked;
	case LOCK_page_map:
		return PG_maplock;
	default:
		return 1;
	}
}

static bool lock_taken(struct vmemu *m, enum lock_class class, kptr object)
{
	return *(uint32_t *)host(m, object) & lock_bit(class);
}

void lock_watched(struct vmemu *m, enum lock_class class, kptr object)
{
	if (m->watch.bits & WATCH_EXPLORE)
		m->watch.watcher->step(m, STEP_lock, class, object);
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_acquire(m, class, object);
	if (lock_taken(m, class, object))
		BUG(m, "self-deadlock: %s at %#" PRIk " is taken already",
		    vmemu_lock_name(m->rmap, class), object);
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_acquired(m, class, object, 0);
}

bool trylock_watched(struct vmemu *m, enum lock_class class, kptr object)
{
	if (m->watch.bits & WATCH_EXPLORE)
		m->watch.watcher->step(m, STEP_trylock, class, object);
	if (lock_taken(m, class, object)) {
		m->locks.stat[class].failed++;
		return false;
	}
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_acquired(m, class, object, HELD_TRY);
	return true;
}

void unlock_watched(struct vmemu *m, enum lock_class class, kptr object)
{
	if (m->watch.bits & WATCH_EXPLORE)
		m->watch.watcher->step(m, STEP_unlock, class, object);
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_release(m, class, object, 0);
	if (!lock_taken(m, class, object))
		BUG(m, "unlock of %s at %#" PRIk ", which nobody holds",
		    vmemu_lock_name(m->rmap, class), object);
}

void step_watched(struct vmemu *m, enum step_kind kind, kptr object)
{
	m->watch.watcher->step(m, kind, -1, object);
}

/* ---- mmap_sem: count is the number of readers, or -1 for the writer --------- */

void read_watched(struct vmemu *m, struct mm_struct *mm)
{
	kptr object = kaddr(m, &mm->mmap_sem.count);

	if (m->watch.bits & WATCH_EXPLORE)
		m->watch.watcher->step(m, STEP_lock, LOCK_mmap_sem, object | 1);
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_acquire(m, LOCK_mmap_sem, object);
	if (mm->mmap_sem.count < 0)
		BUG(m, "self-deadlock: mmap_sem is held for write");
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_acquired(m, LOCK_mmap_sem, object, HELD_READ);
}

void down_read(struct vmemu *m, struct mm_struct *mm)
{
	mmap_read_lock(m, mm);
}

void down_write(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch.bits || mm->mmap_sem.count))
		lock_watched(m, LOCK_mmap_sem, kaddr(m, &mm->mmap_sem.count));
	mm->mmap_sem.count = -1;
	lock_acquired(m, LOCK_mmap_sem);
}

static void released(struct vmemu *m, struct mm_struct *mm, uint32_t mode)
{
	kptr object = kaddr(m, &mm->mmap_sem.count);

	if (m->watch.bits & WATCH_EXPLORE)
		m->watch.watcher->step(m, STEP_unlock, LOCK_mmap_sem,
				       object | (mode == HELD_READ));
	if (m->watch.bits & WATCH_LOCKS)
		lockdep_release(m, LOCK_mmap_sem, object, mode);
	if (mode == HELD_READ ? mm->mmap_sem.count <= 0 :
				mm->mmap_sem.count != -1)
		BUG(m, "unlock of mmap_sem, which nobody holds for %s",
		    mode == HELD_READ ? "read" : "write");
}

void read_released(struct vmemu *m, struct mm_struct *mm)
{
	released(m, mm, HELD_READ);
}

void up_read(struct vmemu *m, struct mm_struct *mm)
{
	mmap_read_unlock(m, mm);
}

void up_write(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch.bits || mm->mmap_sem.count != -1))
		released(m, mm, 0);
	lock_released(m, LOCK_mmap_sem);
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

void take_lock(struct vmemu *m, int lock_class, kptr word)
{
	enum lock_class class = (enum lock_class)lock_class;

	lock_bits(m, class, host(m, word), lock_bit(class));
}

int try_lock(struct vmemu *m, int lock_class, kptr word)
{
	enum lock_class class = (enum lock_class)lock_class;

	return trylock_bits(m, class, host(m, word), lock_bit(class));
}

void drop_lock(struct vmemu *m, int lock_class, kptr word)
{
	enum lock_class class = (enum lock_class)lock_class;

	unlock_bits(m, class, host(m, word), lock_bit(class));
}

/*
 * mmap_sem, held for write, guards vm_flags.  Before rmap 34, mlock, madvise and
 * mprotect took page_table_lock around the store as well.
 */
void vma_set_flags(struct vmemu *m, struct vm_area_struct *vma, kulong flags)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);

	if (m->locks.vm_flags_lock)
		ptl_lock(m, mm);
	step(m, STEP_write, &vma->vm_flags);
	owned(m, vm_flags, vma);
	count(m, CNT_vm_flags_writes);
	vma->vm_flags = flags;
	vma->vm_page_prot = vm_page_prot(flags);
	if (m->locks.vm_flags_lock)
		ptl_unlock(m, mm);
}
