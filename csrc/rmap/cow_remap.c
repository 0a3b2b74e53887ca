/*
 * rmap/cow_remap.c - what mremap has done to the areas of a cow_context.
 *
 * The map is never changed in place.  Whoever holds mmap_sem for write makes
 * another one, and then puts it in its place.
 */
#include "rmap/cow_remap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"
#include "watch/step.h"

/* A map that is being made. */
struct remap_draft {
	kptr first;
	struct cow_remap *last;
	bool failed;
};

void cow_remap_free(struct vmemu *m, kptr first)
{
	struct cow_remap *node = cow_remap_at(m, first);

	while (node) {
		struct cow_remap *next = cow_remap_at(m, node->next);

		kmem_cache_free(m, CACHE_cow_remap, node);
		node = next;
	}
}

/* Room for one more, or NULL. */
static struct cow_remap_entry *new_entry(struct vmemu *m,
					 struct remap_draft *draft)
{
	struct cow_remap *node = draft->last;

	if (!node || node->nr == sizeof(node->entry) / sizeof(*node->entry)) {
		node = kmem_cache_alloc(m, CACHE_cow_remap, GFP_KERNEL);
		if (!node) {
			draft->failed = true;
			return NULL;
		}
		if (draft->last)
			draft->last->next = kaddr(m, node);
		else
			draft->first = kaddr(m, node);
		draft->last = node;
	}
	return &node->entry[node->nr++];
}

/* In order of address.  Whatever is where its index says needs no entry. */
static void append(struct vmemu *m, struct remap_draft *draft, kulong start,
		   kulong end, klong offset)
{
	struct cow_remap_entry *e;

	if (draft->failed || start >= end || !offset)
		return;
	if (draft->last) {
		e = &draft->last->entry[draft->last->nr - 1];
		if (e->end == start && e->offset == offset) {
			e->end = end;
			return;
		}
	}
	e = new_entry(m, draft);
	if (e)
		*e = (struct cow_remap_entry){ start, end, offset };
}

static kulong later(kulong a, kulong b)
{
	return a > b ? a : b;
}

static kulong sooner(kulong a, kulong b)
{
	return a < b ? a : b;
}

/* What a map says of pages [low, high). */
static void append_range(struct vmemu *m, struct remap_draft *draft, kptr first,
			 kulong low, kulong high)
{
	struct cow_remap *node;
	struct cow_remap_entry *e;

	for_each_remap(m, first, node, e)
		append(m, draft, later(e->start, low), sooner(e->end, high),
		       e->offset);
}

/* The same, moved by so many pages: what had no entry has one now. */
static void append_moved(struct vmemu *m, struct remap_draft *draft, kptr first,
			 kulong low, kulong high, klong by)
{
	struct cow_remap *node;
	struct cow_remap_entry *e;
	kulong at = low;

	for_each_remap(m, first, node, e) {
		kulong start = later(e->start, low), end = sooner(e->end, high);

		if (start >= end)
			continue;
		append(m, draft, at + by, start + by, by);
		append(m, draft, start + by, end + by, e->offset + by);
		at = end;
	}
	append(m, draft, at + by, high + by, by);
}

static const struct cow_remap_entry *entry_for(struct vmemu *m, kptr first,
					       kulong page)
{
	struct cow_remap *node;
	struct cow_remap_entry *e;

	for_each_remap(m, first, node, e)
		if (page >= e->start && page < e->end)
			return e;
	return NULL;
}

klong cow_remap_offset(struct vmemu *m, const struct cow_context *c,
		       kulong page)
{
	const struct cow_remap_entry *e = entry_for(m, c->remaps, page);

	return e ? e->offset : 0;
}

klong cow_context_offset(struct vmemu *m, struct mm_struct *mm, kulong address)
{
	return cow_remap_offset(m, cow_context_of(m, mm),
				address >> PAGE_SHIFT);
}

/* The map that the caller, who alone may change it, is to make another from. */
static kptr remaps_of(struct vmemu *m, struct mm_struct *mm)
{
	kptr first;

	ptl_lock(m, mm);
	first = cow_context_of(m, mm)->remaps;
	ptl_unlock(m, mm);
	return first;
}

/* Puts a map in its place: 0, or -1 = there was no memory to make it. */
static int publish(struct vmemu *m, struct mm_struct *mm,
		   const struct remap_draft *draft)
{
	struct cow_context *c, *root;
	kptr before;

	if (draft->failed) {
		cow_remap_free(m, draft->first);
		return -1;
	}
	ptl_lock(m, mm);
	c = cow_context_of(m, mm);
	root = cow_context_root(m, c);
	spin_lock(m, LOCK_rmap, &root->lock);
	owned(m, cow_remaps, c);
	before = c->remaps;
	c->remaps = draft->first;
	spin_unlock(m, LOCK_rmap, &root->lock);
	ptl_unlock(m, mm);
	cow_remap_free(m, before);
	return 0;
}

int cow_context_move(struct vmemu *m, struct mm_struct *mm, kulong old,
		     kulong length, kulong new, kulong new_length)
{
	kptr first = remaps_of(m, mm);
	kulong from = old >> PAGE_SHIFT, to = new >> PAGE_SHIFT;
	kulong pages = length >> PAGE_SHIFT,
	       new_pages = new_length >> PAGE_SHIFT;
	struct remap_draft draft = { 0 };
	const struct cow_remap_entry *end;
	klong by = (klong)(to - from);

	append_range(m, &draft, first, 0, to);
	append_moved(m, &draft, first, from, from + pages, by);
	/* What has grown goes on as it ends: it moves as one piece later on. */
	end = entry_for(m, first, from + pages - 1);
	append(m, &draft, to + pages, to + new_pages,
	       (end ? end->offset : 0) + by);
	append_range(m, &draft, first, to + new_pages, (kulong)-1);
	return publish(m, mm, &draft);
}

static bool any_in(struct vmemu *m, kptr first, kulong low, kulong high)
{
	struct cow_remap *node;
	struct cow_remap_entry *e;

	for_each_remap(m, first, node, e)
		if (e->start < high && e->end > low)
			return true;
	return false;
}

/* Cannot fail: entries that there is no memory to cut stay, and are right for
 * whatever is mapped there next. */
void cow_context_forget(struct vmemu *m, struct vm_area_struct *vma)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	kulong low = vma->vm_start >> PAGE_SHIFT,
	       high = vma->vm_end >> PAGE_SHIFT;
	struct remap_draft draft = { 0 };
	kptr first = remaps_of(m, mm);

	/* What a neighbour has taken over is no longer this one's. */
	if (low == high || !any_in(m, first, low, high))
		return;
	append_range(m, &draft, first, 0, low);
	append_range(m, &draft, first, high, (kulong)-1);
	if (publish(m, mm, &draft)) {
		ptl_lock(m, mm);
		cow_context_of(m, mm)->stale = 1;
		ptl_unlock(m, mm);
	}
}

int cow_remap_dup(struct vmemu *m, struct vm_area_struct *new,
		  struct vm_area_struct *old)
{
	struct mm_struct *child = HOST(m, mm_struct, new->vm_mm);
	kulong low = old->vm_start >> PAGE_SHIFT,
	       high = old->vm_end >> PAGE_SHIFT;
	kptr parents = remaps_of(m, HOST(m, mm_struct, old->vm_mm));
	struct remap_draft draft = { 0 };

	if (!any_in(m, parents, low, high))
		return 0;
	append_range(m, &draft, remaps_of(m, child), 0, (kulong)-1);
	append_range(m, &draft, parents, low, high);
	return publish(m, child, &draft);
}
