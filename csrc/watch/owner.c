/*
 * watch/owner.c - what each lock guards, and whether a writer holds it.
 *
 * One rule for each field of a vma, mm, page or rmap object that a lock guards:
 * writes stand behind owned(), and under WATCH_LOCKS one without its locks stops
 * the machine with the field's name, the writer's, and the locks that are held.
 *
 * Two mms are nobody else's, and their vmas free to change, as in the kernel:
 * one without users (exit), and a child that fork has not finished.  So is a vma
 * that is not linked yet: its writers do not ask.
 *
 * Not declared: what the kernel changes by atomic operations (counts, page
 * flags), what the CPU writes (accessed and dirty bits), and what is guarded by
 * locks that vmemu does not model because their sections hold no step: free
 * list, slabs, page cache trees, mmlist.
 */
#include "core/core.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"

bool holds_lock(struct vmemu *m, enum lock_class class, const void *word)
{
	const struct held_locks *held = m->locks.held;
	kptr object = kaddr(m, word);
	uint32_t i;

	for (i = 0; i < held->nr; i++)
		if (held->lock[i].class == class &&
		    held->lock[i].object == object)
			return true;
	return false;
}

/* For write if read is 0, for read if it is HELD_READ. */
static bool holds_mmap_sem(struct vmemu *m, const struct mm_struct *mm,
			   uint32_t read)
{
	const struct held_locks *held = m->locks.held;
	kptr object = kaddr(m, &mm->mmap_sem.count);
	uint32_t i;

	for (i = 0; i < held->nr; i++)
		if (held->lock[i].class == LOCK_mmap_sem &&
		    held->lock[i].object == object)
			return (held->lock[i].mode & HELD_READ) == read;
	return false;
}

static bool holds_ptl(struct vmemu *m, const struct mm_struct *mm)
{
	return holds_lock(m, LOCK_page_table, &mm->page_table_lock);
}

bool may_change_vmas(struct vmemu *m, const struct mm_struct *mm)
{
	return !mm->mm_users || m->locks.held->newborn == kaddr(m, mm) ||
	       holds_mmap_sem(m, mm, 0);
}

static const struct mm_struct *mm_of(struct vmemu *m,
				     const struct vm_area_struct *vma)
{
	return HOST(m, mm_struct, vma->vm_mm);
}

/* What reclaim holds while it looks at the vma's ends. */
static bool holds_range_locks(struct vmemu *m, const struct vm_area_struct *vma)
{
	struct range_locks locks = range_locks(m, vma, NULL);

	if (vma->vm_file &&
	    !holds_lock(m, LOCK_i_mmap,
			&HOST(m, address_space, vma->vm_file)->i_mmap_lock))
		return false;
	return (!locks.page_table ||
		holds_lock(m, LOCK_page_table, locks.page_table)) &&
	       (!locks.rmap || holds_lock(m, LOCK_rmap, locks.rmap));
}

static bool owns_vm_flags(struct vmemu *m, const void *vma)
{
	const struct mm_struct *mm = mm_of(m, vma);

	return may_change_vmas(m, mm) &&
	       (!m->locks.vm_flags_lock || holds_ptl(m, mm));
}

static bool owns_vma_range(struct vmemu *m, const void *object)
{
	const struct vm_area_struct *vma = object;
	const struct mm_struct *mm = mm_of(m, vma);
	struct range_locks locks = range_locks(m, vma, NULL);
	bool grows = vma->vm_flags & VM_GROWSDOWN &&
		     (locks.page_table || locks.rmap);

	return holds_range_locks(m, vma) &&
	       (may_change_vmas(m, mm) ||
		(grows && holds_mmap_sem(m, mm, HELD_READ)));
}

static bool owns_vma_list(struct vmemu *m, const void *mm)
{
	return may_change_vmas(m, mm) &&
	       (!m->rmap->locks_vma_tree || holds_ptl(m, mm));
}

static bool owns_mm_sizes(struct vmemu *m, const void *mm)
{
	return may_change_vmas(m, mm) || holds_mmap_sem(m, mm, HELD_READ);
}

static bool owns_page_table(struct vmemu *m, const void *mm)
{
	return holds_ptl(m, mm);
}

static bool owns_i_mmap(struct vmemu *m, const void *object)
{
	const struct address_space *mapping = object;

	return holds_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

static bool owns_mapcount(struct vmemu *m, const void *object)
{
	const struct page *page = object;

	return holds_lock(m, LOCK_page_map, &page->flags);
}

static bool owns_lru(struct vmemu *m, const void *object)
{
	const struct zone *zone = object;

	return holds_lock(m, LOCK_lru, &zone->lru_lock);
}

static bool owns_swap_map(struct vmemu *m, const void *object)
{
	const struct kernel_data *data = object;

	return holds_lock(m, LOCK_swap, &data->swap_lock);
}

/* Shown in docs/locking.md, too; a test compares. */
static const struct owner_rule rules[OWNED_rmap] = {
#define RULE(name, field, locks) [OWNED_##name] = { field, locks, owns_##name }
	RULE(vm_flags, "vm_area_struct.vm_flags, vm_page_prot",
	     "mmap_sem for write (before rmap 34, page_table_lock as well)"),
	RULE(vma_range, "vm_area_struct.vm_start, vm_end, vm_pgoff",
	     "mmap_sem for write (for read where a stack grows), "
	     "i_mmap_lock of its file, and the scheme's lock or "
	     "page_table_lock"),
	RULE(vma_list, "mm_struct.mmap, mm_rb, map_count",
	     "mmap_sem for write, and page_table_lock where the scheme "
	     "looks vmas up"),
	RULE(mm_sizes, "mm_struct.total_vm, locked_vm",
	     "mmap_sem for write (for read where a stack grows)"),
	RULE(page_table, "mm_struct.rss, page tables", "page_table_lock"),
	RULE(i_mmap, "address_space.i_mmap", "i_mmap_lock"),
	RULE(mapcount, "page.mapcount; mapping, index if anonymous",
	     "page_map_lock"),
	RULE(lru, "page.lru, PG_lru; zone.active_list, inactive_list",
	     "lru_lock"),
	RULE(swap_map, "swap_info, its swap map", "swap_lock"),
#undef RULE
};

static const struct owner_rule *rule_of(const struct rmap_ops *rmap, int field)
{
	return field < OWNED_rmap ? &rules[field] :
				    &rmap->rules[field - OWNED_rmap];
}

const char *owned_field_name(const struct rmap_ops *rmap, int field)
{
	return field >= 0 && field < NR_OWNED ? rule_of(rmap, field)->field :
						NULL;
}

const char *owned_field_rule(const struct rmap_ops *rmap, int field)
{
	return field >= 0 && field < NR_OWNED ? rule_of(rmap, field)->locks :
						NULL;
}

void assert_owner(struct vmemu *m, int field, const void *object,
		  const char *writer)
{
	const struct owner_rule *rule = rule_of(m->rmap, field);

	if (!(m->watch.bits & WATCH_LOCKS) || rule->owns(m, object))
		return;
	BUG(m, "%s writes %s of %#" PRIk " without %s; held: %s", writer,
	    rule->field, kaddr(m, object), rule->locks, HELD_NAMES(m));
}
