/*
 * watch/lock.h - locks.  While nobody watches, a lock is what is counted of it;
 * the uncommon half of each operation is in watch/lock.c and watch/lockdep.c.
 */
#ifndef VMEMU_LOCK_H
#define VMEMU_LOCK_H
#include "base/base.h"
#include "watch/api.h"

/* The uncommon half of each operation: somebody watches, or the lock is taken. */
void lock_watched(struct vmemu *, enum lock_class, kptr object);
bool trylock_watched(struct vmemu *, enum lock_class, kptr object);
void unlock_watched(struct vmemu *, enum lock_class, kptr object);

/* watch/lockdep.c */
void lockdep_acquire(struct vmemu *, enum lock_class,
		     kptr object); /* about to wait for it */
void lockdep_acquired(struct vmemu *, enum lock_class, kptr object,
		      uint32_t mode);
void lockdep_release(struct vmemu *, enum lock_class, kptr object,
		     uint32_t mode);
void lockdep_sleeps(struct vmemu *, const char *why, const char *file,
		    int line);

/* The caller may have to wait for memory, for I/O, or for another task. */
#define might_sleep(m, why)                                                    \
	do {                                                                   \
		if (unlikely((m)->watch.bits & WATCH_LOCKS))                   \
			lockdep_sleeps(m, why, __FILE__, __LINE__);            \
	} while (0)

/* The writes that follow need what watch/owner.c says: __func__ is the writer. */
#define owned(m, field, object)                                                \
	do {                                                                   \
		if (unlikely((m)->watch.bits & WATCH_LOCKS))                   \
			assert_owner(m, OWNED_##field, object, __func__);      \
	} while (0)

/* steps_held is the sum of the steps at unlocks less that of those at locks. */
static inline void lock_acquired(struct vmemu *m, enum lock_class class)
{
	struct lock_stat *stat = &m->locks.stat[class];

	stat->acquired++;
	stat->steps_held -= m->watch.steps;
}

static inline void lock_released(struct vmemu *m, enum lock_class class)
{
	m->locks.stat[class].steps_held += m->watch.steps;
}

/* Sleeping locks, which may be found taken: reclaim meets a page in use. */
static inline void lock_bits(struct vmemu *m, enum lock_class class,
			     uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch.bits | (*word & bits)))
		lock_watched(m, class, kaddr(m, word));
	*word |= bits;
	lock_acquired(m, class);
}

static inline bool trylock_bits(struct vmemu *m, enum lock_class class,
				uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch.bits | (*word & bits)) &&
	    !trylock_watched(m, class, kaddr(m, word)))
		return false;
	*word |= bits;
	lock_acquired(m, class);
	return true;
}

static inline void unlock_bits(struct vmemu *m, enum lock_class class,
			       uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch.bits || !(*word & bits)))
		unlock_watched(m, class, kaddr(m, word));
	lock_released(m, class);
	*word &= ~bits;
}

/*
 * Spinlocks.  While nobody watches one path runs, and none sleeps with a
 * spinlock, so it never finds one taken: all that is left of it is the count.
 */
static inline void spin_lock_bit(struct vmemu *m, enum lock_class class,
				 uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch.bits)) {
		lock_watched(m, class, kaddr(m, word));
		*word |= bit;
	}
	lock_acquired(m, class);
}

static inline bool spin_trylock(struct vmemu *m, enum lock_class class,
				uint32_t *lock)
{
	if (unlikely(m->watch.bits)) {
		if (!trylock_watched(m, class, kaddr(m, lock)))
			return false;
		*lock |= 1;
	}
	lock_acquired(m, class);
	return true;
}

static inline void spin_unlock_bit(struct vmemu *m, enum lock_class class,
				   uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch.bits)) {
		unlock_watched(m, class, kaddr(m, word));
		*word &= ~bit;
	}
	lock_released(m, class);
}

/* The same where it is known how many steps there are while it is held. */
static inline void spin_lock_short(struct vmemu *m, enum lock_class class,
				   uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch.bits))
		spin_lock_bit(m, class, word, bit);
	else
		m->locks.stat[class].acquired++;
}

static inline void spin_unlock_short(struct vmemu *m, enum lock_class class,
				     uint32_t *word, uint32_t bit,
				     uint32_t steps)
{
	if (unlikely(m->watch.bits))
		spin_unlock_bit(m, class, word, bit);
	else if (steps)
		m->locks.stat[class].steps_held += steps;
}

static inline void spin_lock(struct vmemu *m, enum lock_class class,
			     uint32_t *lock)
{
	spin_lock_bit(m, class, lock, 1);
}

static inline void spin_unlock(struct vmemu *m, enum lock_class class,
			       uint32_t *lock)
{
	spin_unlock_bit(m, class, lock, 1);
}

/* The half of the flags that has the lock bits. */
static inline uint32_t *page_word(struct page *page)
{
	return (uint32_t *)&page->flags;
}

static inline void lock_page(struct vmemu *m, struct page *page)
{
	lock_bits(m, LOCK_page, page_word(page), PG_locked);
}

static inline bool trylock_page(struct vmemu *m, struct page *page)
{
	return trylock_bits(m, LOCK_page, page_word(page), PG_locked);
}

static inline void unlock_page(struct vmemu *m, struct page *page)
{
	unlock_bits(m, LOCK_page, page_word(page), PG_locked);
}

static inline void page_map_lock(struct vmemu *m, struct page *page)
{
	spin_lock_bit(m, LOCK_page_map, page_word(page), PG_maplock);
}

static inline void page_map_unlock(struct vmemu *m, struct page *page)
{
	spin_unlock_bit(m, LOCK_page_map, page_word(page), PG_maplock);
}

static inline void page_map_lock_short(struct vmemu *m, struct page *page)
{
	spin_lock_short(m, LOCK_page_map, page_word(page), PG_maplock);
}

static inline void page_map_unlock_short(struct vmemu *m, struct page *page)
{
	spin_unlock_short(m, LOCK_page_map, page_word(page), PG_maplock, 0);
}

static inline void ptl_lock(struct vmemu *m, struct mm_struct *mm)
{
	spin_lock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline bool ptl_trylock(struct vmemu *m, struct mm_struct *mm)
{
	return spin_trylock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline void ptl_unlock(struct vmemu *m, struct mm_struct *mm)
{
	spin_unlock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline void ptl_lock_short(struct vmemu *m, struct mm_struct *mm)
{
	spin_lock_short(m, LOCK_page_table, &mm->page_table_lock, 1);
}

static inline bool ptl_trylock_short(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch.bits))
		return ptl_trylock(m, mm);
	m->locks.stat[LOCK_page_table].acquired++;
	return true;
}

static inline void ptl_unlock_short(struct vmemu *m, struct mm_struct *mm,
				    uint32_t steps)
{
	spin_unlock_short(m, LOCK_page_table, &mm->page_table_lock, 1, steps);
}

/* mmap_sem for read: see watch/lock.c. */
void read_watched(struct vmemu *, struct mm_struct *);
void read_released(struct vmemu *, struct mm_struct *);

static inline void mmap_read_lock(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch.bits || mm->mmap_sem.count < 0))
		read_watched(m, mm);
	mm->mmap_sem.count++;
	lock_acquired(m, LOCK_mmap_sem);
}

static inline void mmap_read_unlock(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch.bits || mm->mmap_sem.count <= 0))
		read_released(m, mm);
	lock_released(m, LOCK_mmap_sem);
	mm->mmap_sem.count--;
}

/* watch/owner.c, for rules */
bool holds_lock(struct vmemu *, enum lock_class, const void *word);
/* No other path may change the mm's vmas. */
bool may_change_vmas(struct vmemu *, const struct mm_struct *);

/* watch/lockdep.c */
const char *held_names(struct vmemu *, char *text, size_t size);
#define HELD_NAMES(m) held_names(m, (char[384]){ 0 }, 384)

#endif
