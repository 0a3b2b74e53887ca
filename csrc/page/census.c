/*
 * page/census.c - what check() asks of every frame, in one pass.
 *
 * Nothing here trusts what it looks at: links may lead anywhere, lists need not end.
 */
#include "core/core.h"
#include "page/page.h"

#include <stdlib.h>
#include <string.h>

/* Lists that a frame was met on. */
enum { ON_ACTIVE = 1, ON_INACTIVE = 2, ON_OTHER = 4 };

/* The length of a list of frames, all of which are marked; 0 with wrong links. */
static uint32_t list_census(struct vmemu *m, const struct list_head *head,
			    uint8_t mark, uint8_t *seen,
			    struct frame_census *census)
{
	kptr start = kaddr(m, head), previous = start, at;
	kptr lowest = kaddr(m, &m->mem_map[0].lru);
	uint32_t n = 0;

	for (at = head->next; at != start; at = HOST(m, list_head, at)->next) {
		kptr offset = at - lowest;
		kptr pfn = offset / sizeof(struct page);

		if (at < lowest || offset % sizeof(struct page) ||
		    pfn >= m->nr_frames ||
		    HOST(m, list_head, at)->prev != previous ||
		    n == m->nr_frames) {
			census->list = start;
			census->broken_at = at;
			return 0;
		}
		seen[pfn] |= mark;
		n++;
		previous = at;
	}
	return n;
}

static void breaks(struct frame_census *census, enum frame_rule rule,
		   uint32_t pfn)
{
	uint32_t n = census->broken[rule]++;

	if (n < BROKEN_SHOWN)
		census->shown[rule][n] = pfn;
}

/* References that a frame must have beside those of ptes. */
static int32_t held(const struct page *page)
{
	kulong flags = page->flags;
	bool of_file = (flags & (PG_anon | PG_lru)) == PG_lru && page->mapping;
	bool system = flags & (PG_slab | PG_pgtable | PG_vmalloc);

	return (flags & PG_swapcache || of_file) + system;
}

static void judge_lists(struct frame_census *census, const struct page *page,
			uint32_t pfn, uint32_t mapcount, uint8_t seen)
{
	bool listed = seen & (ON_ACTIVE | ON_INACTIVE);

	if (listed && !(seen & ON_ACTIVE) != !(page->flags & PG_active))
		breaks(census, RULE_active, pfn);
	if (listed != !!(page->flags & PG_lru))
		breaks(census, RULE_lru, pfn);
	if (mapcount && !listed)
		breaks(census, RULE_unlisted, pfn);
}

static void judge(struct frame_census *census, const struct page *page,
		  uint32_t pfn, uint32_t mapcount)
{
	int32_t expected = (int32_t)mapcount + held(page);
	uint32_t shown = census->broken[RULE_count];

	if (page->mapcount != mapcount)
		breaks(census, RULE_mapcount, pfn);
	if (page->flags & PG_anon && !mapcount)
		breaks(census, RULE_anon, pfn);
	if (page->flags & PG_reserved)
		return;
	if (page->_count != expected) {
		if (shown < BROKEN_SHOWN)
			census->expected[shown] = expected;
		breaks(census, RULE_count, pfn);
	}
	if (!page->_count && !(page->flags & (PG_buddy | PG_arch_1)))
		breaks(census, RULE_free, pfn);
}

int frame_census(struct vmemu *m, const uint32_t *mapcount,
		 struct frame_census *census)
{
	const struct zone *zone = &m->k->zone;
	uint8_t *seen = calloc(m->nr_frames, 1);
	uint32_t pfn;

	if (!seen)
		return 0;
	memset(census, 0, sizeof(*census));
	census->nr_active =
		list_census(m, &zone->active_list, ON_ACTIVE, seen, census);
	census->nr_inactive =
		list_census(m, &zone->inactive_list, ON_INACTIVE, seen, census);
	census->nr_free =
		list_census(m, &zone->free_list, ON_OTHER, seen, census);
	census->nr_quarantine =
		list_census(m, &m->k->quarantine, ON_OTHER, seen, census);
	for (pfn = 0; pfn < m->nr_frames; pfn++) {
		const struct page *page = &m->mem_map[pfn];

		census->mapped += mapcount[pfn] > 0;
		census->pgtable += (page->flags & PG_pgtable) != 0;
		census->free += (page->flags & PG_buddy) != 0;
		census->slab += (page->flags & PG_slab) != 0;
		census->swapcache += (page->flags & PG_swapcache) != 0;
		judge(census, page, pfn, mapcount[pfn]);
		judge_lists(census, page, pfn, mapcount[pfn], seen[pfn]);
	}
	free(seen);
	return 1;
}

uint32_t frames_with(struct vmemu *m, kulong flags, uint32_t *pfns,
		     uint32_t max)
{
	uint32_t pfn, n = 0;

	for (pfn = 0; pfn < m->nr_frames; pfn++) {
		if (!(m->mem_map[pfn].flags & flags))
			continue;
		if (n < max)
			pfns[n] = pfn;
		n++;
	}
	return n;
}
