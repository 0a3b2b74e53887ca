/*
 * watch/lockdep.c - the discipline of the kernel's locks, checked while they are used.
 *
 * After the idea of Ingo Molnar's lockdep (2.6.18, 2006): what one path of the
 * kernel does in peace shows what two paths could do to each other.  Each lock
 * belongs to a class; that one class was waited for inside another is learned
 * and held against the order below.  A trylock waits for nothing, so it may
 * stand anywhere.
 *
 * Everything here runs only under WATCH_LOCKS; the first violation is kept as
 * the machine's bug.  docs/locking.md draws the order.
 */
#include "core/core.h"
#include "watch/lock.h"

#include <stdio.h>

/* Directly inside each class; what is inside of that may be taken, too. */
static const uint32_t inside[NR_LOCK_CLASSES] = {
#define L(name) (1u << LOCK_##name)
	[LOCK_mmap_sem] = L(page) | L(i_mmap),
	[LOCK_page] = L(page_table),
	[LOCK_i_mmap] = L(page_table),
	[LOCK_page_table] = L(page_map) | L(lru),
	[LOCK_page_map] = L(rmap),
	[LOCK_rmap] = L(swap),
#undef L
};

int lock_order_allows(int outer, int inner)
{
	int via;

	if (inside[outer] >> inner & 1)
		return 1;
	for (via = 0; via < NR_LOCK_CLASSES; via++)
		if (inside[outer] >> via & 1 && lock_order_allows(via, inner))
			return 1;
	return 0;
}

int lock_sleeps(int lock_class)
{
	return lock_class == LOCK_mmap_sem || lock_class == LOCK_page;
}

/* ---- telling what is held ------------------------------------------------- */

static const char *mode_name(const struct held_lock *lock)
{
	if (lock->class != LOCK_mmap_sem)
		return "";
	return lock->mode & HELD_READ ? " for read" : " for write";
}

/* "page_lock 0xc0012340, mmap_sem 0xc0123458 for read", the innermost first. */
const char *held_names(struct vmemu *m, char *text, size_t size)
{
	const struct held_locks *held = m->locks.held;
	size_t n = 0;
	uint32_t i;

	snprintf(text, size, "nothing");
	for (i = held->nr; i-- && n < size;)
		n += (size_t)snprintf(
			text + n, size - n, "%s%s %#" PRIk "%s", n ? ", " : "",
			vmemu_lock_name(m->rmap, (int)held->lock[i].class),
			held->lock[i].object, mode_name(&held->lock[i]));
	return text;
}

/* ---- lock and unlock --------------------------------------------------------- */

static void check_order(struct vmemu *m, const struct held_lock *outer,
			enum lock_class class, kptr object)
{
	const char *inner_name = vmemu_lock_name(m->rmap, class);
	const char *outer_name = vmemu_lock_name(m->rmap, (int)outer->class);

	if (m->locks.order[outer->class][class]++)
		return;
	if (lock_order_allows((int)outer->class, class))
		return;
	if (m->locks.order[class][outer->class])
		BUG(m,
		    "lock inversion: %s %#" PRIk
		    " wanted inside %s, but %s was taken "
		    "inside %s before; held: %s",
		    inner_name, object, outer_name, outer_name, inner_name,
		    HELD_NAMES(m));
	else if (lock_order_allows(class, (int)outer->class))
		BUG(m,
		    "lock inversion: %s %#" PRIk
		    " wanted inside %s, but the order is "
		    "%s inside %s; held: %s",
		    inner_name, object, outer_name, outer_name, inner_name,
		    HELD_NAMES(m));
	else
		BUG(m,
		    "lock order: %s %#" PRIk
		    " wanted inside %s, which the order does "
		    "not know; held: %s",
		    inner_name, object, outer_name, HELD_NAMES(m));
}

/* Before the path waits, so that a deadlock is told instead of met. */
void lockdep_acquire(struct vmemu *m, enum lock_class class, kptr object)
{
	struct held_locks *held = m->locks.held;
	uint32_t nest = held->nest, i;

	held->nest = 0;
	if (lock_sleeps(class))
		lockdep_sleeps(m, vmemu_lock_name(m->rmap, class), __FILE__,
			       __LINE__);
	for (i = 0; i < held->nr; i++) {
		const struct held_lock *outer = &held->lock[i];

		if (outer->class != class)
			check_order(m, outer, class, object);
		else if (outer->object == object)
			BUG(m,
			    "self-deadlock: %s %#" PRIk
			    " wanted by its holder; held: "
			    "%s",
			    vmemu_lock_name(m->rmap, class), object,
			    HELD_NAMES(m));
		else if (!nest)
			BUG(m,
			    "lock nesting: %s %#" PRIk
			    " wanted inside another %s; "
			    "held: %s",
			    vmemu_lock_name(m->rmap, class), object,
			    vmemu_lock_name(m->rmap, class), HELD_NAMES(m));
	}
}

void lockdep_acquired(struct vmemu *m, enum lock_class class, kptr object,
		      uint32_t mode)
{
	struct held_locks *held = m->locks.held;

	if (held->nr == MAX_HELD_LOCKS) {
		BUG(m, "more than %d locks held: %s", MAX_HELD_LOCKS,
		    HELD_NAMES(m));
		return;
	}
	held->lock[held->nr++] = (struct held_lock){ class, mode, object };
}

void lockdep_release(struct vmemu *m, enum lock_class class, kptr object,
		     uint32_t mode)
{
	struct held_locks *held = m->locks.held;
	uint32_t i = held->nr;

	while (i--) {
		struct held_lock *lock = &held->lock[i];

		if (lock->class != class || lock->object != object)
			continue;
		if ((lock->mode & HELD_READ) != mode)
			BUG(m, "%s %#" PRIk " is held%s and released otherwise",
			    vmemu_lock_name(m->rmap, class), object,
			    mode_name(lock));
		memmove(lock, lock + 1,
			(--held->nr - i) * sizeof(held->lock[0]));
		return;
	}
	BUG(m,
	    "unlock of %s %#" PRIk " by a path that does not hold it; held: %s",
	    vmemu_lock_name(m->rmap, class), object, HELD_NAMES(m));
}

void lockdep_nest(struct vmemu *m)
{
	m->locks.held->nest = m->watch.bits & WATCH_LOCKS;
}

/* ---- sleeping, and the ends of paths ------------------------------------------- */

void lockdep_sleeps(struct vmemu *m, const char *why, const char *file,
		    int line)
{
	const struct held_locks *held = m->locks.held;
	uint32_t i;

	for (i = 0; i < held->nr; i++)
		if (!lock_sleeps((int)held->lock[i].class)) {
			vmemu_bug(m, file, line,
				  "sleeping (%s) with %s held; held: %s", why,
				  vmemu_lock_name(m->rmap,
						  (int)held->lock[i].class),
				  HELD_NAMES(m));
			return;
		}
}

void lockdep_path_ends(struct vmemu *m, const char *path)
{
	if (m->watch.bits & WATCH_LOCKS && m->locks.held->nr)
		BUG(m, "locks held at the end of %s: %s", path, HELD_NAMES(m));
}
