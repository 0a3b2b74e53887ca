/*
 * explore/snapshot.c - what every run starts from, and how two ends compare.
 *
 * The snapshot is guest RAM, struct vmemu, the files and how they begin, and the
 * swap slots in use: the rest of a swap file cannot be read before it is written.  A
 * run changes few frames, so finding them costs less than copying all.
 */
#include "core/core.h"
#include "explore/explore.h"
#include "swap/swap.h"

#include <stdlib.h>
#include <unistd.h>

/* What is at a place of a file, a page at most; false: nothing, or no host memory. */
static bool save_place(struct explorer *e, int fd, int64_t at)
{
	struct saved_slot *s = &e->slot[e->nr_slots];
	ssize_t n;

	s->fd = fd;
	s->at = at;
	s->contents = malloc(PAGE_SIZE);
	n = s->contents ? pread(fd, s->contents, PAGE_SIZE, at) : -1;
	if (n <= 0) {
		free(s->contents);
		return false;
	}
	s->n = (uint32_t)n;
	e->nr_slots++;
	return true;
}

/* Pages of files that can be written, as far as each begins. */
#define SAVED_FILE_PAGES 64

static uint32_t nr_written_files(const struct vmemu *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < NR_FILES; i++)
		n += m->inodes[i].i_mapping && m->inodes[i].fd >= 0 &&
		     m->inodes[i].writable;
	return n;
}

static void save_files(struct vmemu *m, struct explorer *e)
{
	uint32_t i, page;

	for (i = 0; i < NR_FILES; i++) {
		const struct inode *inode = &m->inodes[i];

		for (page = 0; inode->i_mapping && inode->fd >= 0 &&
			       inode->writable && page < SAVED_FILE_PAGES;
		     page++)
			if (!save_place(e, inode->fd,
					(int64_t)page << PAGE_SHIFT))
				break;
	}
}

static void save_slots(struct vmemu *m, struct explorer *e)
{
	uint32_t used = swap_used(m), offset;
	uint32_t room = used + nr_written_files(m) * SAVED_FILE_PAGES;
	int type;

	e->slot = calloc(room ? room : 1, sizeof(*e->slot));
	for (type = 0; type < MAX_SWAPFILES; type++) {
		struct swap_info *si = &m->swap.info[type];

		for (offset = 1; si->fd >= 0 && offset < si->max; offset++)
			if (*swap_map(m, si, offset) && e->nr_slots < used)
				save_place(e, si->fd,
					   (int64_t)offset << PAGE_SHIFT);
	}
	save_files(m, e);
}

/* Takes the snapshot that every run starts from; false = no host memory. */
bool explore_begin(struct vmemu *m, uint32_t nr_paths,
		   const struct explore_options *options)
{
	struct explorer *e = calloc(1, sizeof(*e));

	if (!e || nr_paths > EXPLORE_PATHS)
		goto fail;
	e->ram = malloc(m->ram_size);
	e->inodes = malloc(NR_FILES * sizeof(*e->inodes));
	if (!e->ram || !e->inodes)
		goto fail;
	e->nr_paths = nr_paths;
	e->options = *options;
	e->random = options->seed;
	swap_write_flush(m);
	memcpy(e->ram, m->ram, m->ram_size);
	save_slots(m, e);
	memcpy(e->inodes, m->inodes, NR_FILES * sizeof(*e->inodes));
	m->watch.explorer = e;
	m->watch.rewinds = 1;
	e->saved = *m;
	return true;
fail:
	if (e) {
		free(e->ram);
		free(e->inodes);
	}
	free(e);
	return false;
}

void explore_restore(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;
	uint64_t at;
	uint32_t i;

	if (m->counter[CNT_pswpout] != e->saved.counter[CNT_pswpout] ||
	    m->counter[CNT_pgpgout] != e->saved.counter[CNT_pgpgout])
		for (i = 0; i < e->nr_slots; i++)
			if (pwrite(e->slot[i].fd, e->slot[i].contents,
				   e->slot[i].n,
				   e->slot[i].at) != (ssize_t)e->slot[i].n)
				BUG(m, "what was written cannot be restored");
	for (at = 0; at < m->ram_size; at += PAGE_SIZE)
		if (memcmp(m->ram + at, e->ram + at, PAGE_SIZE))
			memcpy(m->ram + at, e->ram + at, PAGE_SIZE);
	*m = e->saved;
	memcpy(m->inodes, e->inodes, NR_FILES * sizeof(*e->inodes));
}

void explore_end(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;

	explore_restore(m);
	m->watch.explorer = NULL;
	m->watch.rewinds = 0;
	while (e->nr_slots)
		free(e->slot[--e->nr_slots].contents);
	free(e->slot);
	free(e->inodes);
	free(e->ram);
	free(e);
}

/* ---- ends -------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

static uint64_t hash_page(uint64_t h, const uint8_t *p)
{
	uint64_t a = h, b = ~h, c = h * 3, d = h * 5, w[4];
	uint32_t i;

	for (i = 0; i < PAGE_SIZE; i += sizeof(w)) {
		memcpy(w, p + i, sizeof(w));
		a = (a ^ w[0]) * 0xff51afd7ed558ccdu;
		b = (b ^ w[1]) * 0xc4ceb9fe1a85ec53u;
		c = (c ^ w[2]) * 0x9e3779b97f4a7c15u;
		d = (d ^ w[3]) * 0xbf58476d1ce4e5b9u;
		a ^= a >> 29;
		b ^= b >> 31;
		c ^= c >> 30;
		d ^= d >> 28;
	}
	return mix(mix(mix(mix(h, a), b), c), d);
}

/* Of guest RAM, free frames' contents apart, and the devices' state. */
uint64_t explore_digest(struct vmemu *m)
{
	const struct explorer *e = m->watch.explorer;
	uint64_t h = 0x1234567;
	uint32_t pfn, i;

	for (pfn = 0; pfn < m->nr_frames; pfn++) {
		const uint64_t at = (uint64_t)pfn << PAGE_SHIFT;

		if (m->mem_map[pfn].flags & PG_buddy ||
		    !memcmp(m->ram + at, e->ram + at, PAGE_SIZE))
			continue;
		h = hash_page(mix(h, pfn), m->ram + at);
	}
	for (i = 0; i < MAX_SWAPFILES; i++)
		h = mix(h, m->swap.info[i].inuse |
				   (uint64_t)m->swap.info[i].writeok << 32);
	h = mix(h, m->pages.nr_mapped | (uint64_t)m->pages.nr_pagetable << 32);
	return mix(h, m->pages.nr_quarantine | (uint64_t)m->pages.nr_pagecache
						       << 32);
}
