/* rmap/stop.c - rules by which a walk ends; see rmap/stop.h. */
#include "rmap/stop.h"
#include "page/page.h"
#include "rmap/rmap.h"

/* Two owners and the ptes each has; others, once there were any, are not forgotten
 * before the page is mapped anew. */
struct page_owners {
	kptr mm[2];
	uint32_t ptes[2];
	uint32_t others;
};

uint32_t stop_frames(const uint32_t *option, uint32_t nr_frames)
{
	uint64_t bytes = (uint64_t)nr_frames * sizeof(struct page_owners);

	if (option[OPTION_stop] != STOP_owners)
		return 0;
	return (uint32_t)((bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

static struct page_owners *owners_of(struct vmemu *m, const struct page *page)
{
	return (struct page_owners *)(m->ram + m->rmap_owners) +
	       pfn_of(m, page);
}

static void set_exclusive(const struct vmemu *m, struct page *page, bool on)
{
	if (m->rmap->keeps_exclusive)
		return;
	page->flags &= ~(kulong)PG_exclusive;
	if (on)
		page->flags |= PG_exclusive;
}

static void add_owner(struct page_owners *owners, kptr mm)
{
	int i;

	for (i = 0; i < 2; i++)
		if (owners->ptes[i] && owners->mm[i] == mm) {
			owners->ptes[i]++;
			return;
		}
	for (i = 0; i < 2; i++)
		if (!owners->ptes[i]) {
			owners->mm[i] = mm;
			owners->ptes[i] = 1;
			return;
		}
	owners->others = 1;
}

void stop_added(struct vmemu *m, struct page *page, const struct mm_struct *mm,
		enum add_how how)
{
	struct page_owners *owners;

	set_exclusive(m, page, how == ADD_NEW);
	if (stop_rule(m) != STOP_owners)
		return;
	owners = owners_of(m, page);
	if (how != ADD_AGAIN)
		memset(owners, 0, sizeof(*owners));
	add_owner(owners, kaddr(m, mm));
}

void stop_forked(struct vmemu *m, struct page *page,
		 const struct mm_struct *child)
{
	set_exclusive(m, page, false);
	if (stop_rule(m) == STOP_owners)
		add_owner(owners_of(m, page), kaddr(m, child));
}

void stop_removed(struct vmemu *m, struct page *page,
		  const struct mm_struct *mm)
{
	struct page_owners *owners;
	int i;

	if (stop_rule(m) != STOP_owners)
		return;
	owners = owners_of(m, page);
	for (i = 0; i < 2; i++)
		if (owners->ptes[i] && owners->mm[i] == kaddr(m, mm))
			owners->ptes[i]--;
}

void stop_owned(struct vmemu *m, struct page *page, const struct mm_struct *mm)
{
	struct page_owners *owners;

	set_exclusive(m, page, true);
	if (stop_rule(m) != STOP_owners)
		return;
	owners = owners_of(m, page);
	memset(owners, 0, sizeof(*owners));
	add_owner(owners, kaddr(m, mm));
}

uint32_t stop_after(struct vmemu *m, struct page *page)
{
	const struct page_owners *owners;

	switch (stop_rule(m)) {
	case STOP_mapcount:
		return page->mapcount;
	case STOP_exclusive:
		return page->flags & PG_exclusive ? 1 : STOP_NEVER;
	case STOP_owners:
		owners = owners_of(m, page);
		return owners->others ? STOP_NEVER :
					owners->ptes[0] + owners->ptes[1];
	case STOP_none:
		break;
	}
	return STOP_NEVER;
}

/* How many processes a page's size is divided by for Pss: where nobody knows, two
 * at least. */
static uint32_t divided_by(uint32_t known)
{
	return known == STOP_NEVER ? 2 : known;
}

struct sharing vmemu_sharing(struct vmemu *m)
{
	struct sharing s = { .pages = 0 };
	uint32_t pfn;

	for (pfn = 0; pfn < m->nr_frames; pfn++) {
		struct page *page = m->mem_map + pfn;
		uint32_t known;

		if (!page->mapcount || !(page->flags & PG_anon))
			continue;
		known = stop_after(m, page);
		s.pages++;
		s.exclusive += page->mapcount == 1;
		s.called_exclusive += known == 1;
		s.wrongly_shared += page->mapcount == 1 && known != 1;
		s.wrong += known != STOP_NEVER && known != page->mapcount;
		s.called_pss += (double)page->mapcount / divided_by(known);
	}
	return s;
}
