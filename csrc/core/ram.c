/*
 * core/ram.c - host memory for guest RAM, and one closed machine's that is kept.
 *
 * To clear memory is most of what a machine costs that runs a short program, and of
 * a short program's RAM hardly anything was used.  So the RAM of a machine that is closed
 * is kept for the next one of the same size: the frames that were handed out are
 * cleared, and it is all zeros, as new memory is.  There is one at most; a machine of
 * another size lets it go.  While it is kept the host may take it when it is short of
 * memory (MADV_FREE): zeros are then what is there instead.
 *
 * A process that runs one machine and ends does better without: see ram_by_need().
 */
#define _GNU_SOURCE /* mremap() */
#include "core/ram.h"
#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uint64_t)2 << 20)

/* RAM beyond that is the host's only when it is touched. */
#define PRESENT_RAM ((uint64_t)1 << 30)

/* More is not kept: to hold it would be noticed, and to clear it takes long. */
#define MOST_KEPT ((uint64_t)256 << 20)

struct kept {
	uint8_t *ram;
	uint64_t size;
};

/* All cores of the process have the same one: threads exchange what `kept` points to. */
struct ram_store {
	struct kept *kept;
	bool by_need;
};

static struct ram_store own_store;
static struct ram_store *store = &own_store;

uintptr_t ram_store(void)
{
	return (uintptr_t)store;
}

void ram_share_store(uintptr_t of_another_core)
{
	store = (struct ram_store *)of_another_core;
}

/* Addresses for so many bytes, from a huge page's beginning. */
static uint8_t *reserve(uint64_t size)
{
	uint8_t *map, *ram;

	map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	ram = map + (-(uintptr_t)map & (HUGE_PAGE - 1));
	if (ram > map)
		munmap(map, (size_t)(ram - map));
	munmap(ram + size, (size_t)(map + HUGE_PAGE - ram));
	return ram;
}

static void let_go(struct kept *kept)
{
	munmap(kept->ram, kept->size);
	free(kept);
}

/* The kept RAM if it has this size; else there is none from here on. */
static uint8_t *ram_again(uint64_t size)
{
	struct kept *kept =
		__atomic_exchange_n(&store->kept, NULL, __ATOMIC_ACQ_REL);
	uint8_t *ram;

	if (!kept)
		return NULL;
	if (kept->size != size) {
		let_go(kept);
		return NULL;
	}
	ram = kept->ram;
	free(kept);
	return ram;
}

/*
 * Host memory for guest RAM, all zeros: huge pages where the host has them, since an
 * emulated TLB miss costs host TLB misses; and present from the start, or the
 * host's faults would be taken for the guest's.  NULL when there is none.
 */
uint8_t *ram_map(uint64_t size)
{
	uint8_t *ram = ram_again(size);

	if (!ram) {
		ram = reserve(size);
		if (!ram)
			return NULL;
		madvise(ram, size, MADV_HUGEPAGE);
	}
	if (size > PRESENT_RAM || store->by_need)
		return ram;
	if (!madvise(ram, size, MADV_POPULATE_WRITE))
		return ram;
	if (errno == EINVAL) { /* before Linux 5.14 */
		memset(ram, 0, size);
		return ram;
	}
	munmap(ram, size);
	return NULL;
}

/*
 * What was written is at most the first bytes of it, so many.  It moves away, and the
 * old addresses read as zeros from here on: whoever still looks there must not end the process.
 */
static bool keep(uint8_t *ram, uint64_t size, uint64_t written)
{
	struct kept *kept, *before;
	uint8_t *place;

	if (store->by_need || size > MOST_KEPT || written > size / 2)
		return false;
	kept = malloc(sizeof(*kept));
	place = kept ? reserve(size) : NULL;
	if (!place)
		goto fail;
	if (mremap(ram, size, size,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   place) == MAP_FAILED) /* before Linux 5.7 */
		goto fail_place;
	memset(place, 0, written);
	madvise(place, size, MADV_FREE);
	*kept = (struct kept){ .ram = place, .size = size };
	before = __atomic_exchange_n(&store->kept, kept, __ATOMIC_ACQ_REL);
	if (before)
		let_go(before);
	return true;

fail_place:
	munmap(place, size);
fail:
	free(kept);
	return false;
}

/*
 * From here on RAM is the host's only when it is touched, and none is kept.  Forked
 * processes that run a machine each are made so: what is kept they would copy, page by page.
 */
void ram_by_need(void)
{
	struct kept *kept =
		__atomic_exchange_n(&store->kept, NULL, __ATOMIC_ACQ_REL);

	if (kept)
		let_go(kept);
	store->by_need = true;
}

void ram_close(struct vmemu *m)
{
	uint64_t written = (uint64_t)m->pages.handed_out << PAGE_SHIFT;

	if (m->ram_closed)
		return;
	m->ram_closed = 1;
	/* Who knows what wrote where, or still may. */
	if (!m->bug[0] && !m->cpu.aborted && keep(m->ram, m->ram_size, written))
		return;
	if (mmap(m->ram, m->ram_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		madvise(m->ram, m->ram_size, MADV_DONTNEED);
}

uint64_t ram_kept(void)
{
	struct kept *kept =
		__atomic_exchange_n(&store->kept, NULL, __ATOMIC_ACQ_REL);
	uint64_t size = kept ? kept->size : 0;

	if (kept) {
		kept = __atomic_exchange_n(&store->kept, kept,
					   __ATOMIC_ACQ_REL);
		if (kept)
			let_go(kept);
	}
	return size;
}
