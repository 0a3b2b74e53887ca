/*
 * mm/fault.c - who resolves a fault: the C core when the vma has already decided
 * it, Python when there is something to decide.
 *
 * Python (vmemu/mm/fault.py) is the authority: it answers faults without a vma,
 * grows stacks, refuses accesses, and gives a vma its first rmap object.  What
 * is left then, for either side, is handle_pte_fault() and the do_*_page() it
 * chooses from, after mm/memory.c of 2.6.7.  Any allocation may reclaim and so
 * change ptes: each of them looks at the pte again after one.
 */
#include "core/core.h"
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/*
 * Whether vm_flags allow the access.  i386 without NX can execute what it can
 * read, and read what it can write.
 */
int vma_permits(struct vm_area_struct *vma, int access)
{
	kulong wanted = access == ACCESS_WRITE ? VM_WRITE :
						 VM_READ | VM_WRITE | VM_EXEC;

	return (vma->vm_flags & wanted) != 0;
}

/* No frame: outside the hook reclaim has failed, inside it could not run. */
static int no_memory(struct vmemu *m)
{
	return m->fault.in_hook ? FAULT_OUTSIDE : FAULT_OOM;
}

static void map_anon(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, pte_t *slot,
		     struct page *page)
{
	pte_t pte = mk_pte(m, page, vma->vm_page_prot);

	owned(m, page_table, mm);
	if (vma->vm_flags & VM_WRITE)
		pte |= _PAGE_RW;
	set_pte(m, slot, pte | _PAGE_WRITTEN);
	rss_inc(m, mm);
	page_add_anon_rmap(m, page, vma, address);
	lru_cache_add_active(m, page);
}

/* First touch: the zero page for a read, a cleared frame for a write. */
static int do_anonymous_page(struct vmemu *m, struct mm_struct *mm,
			     struct vm_area_struct *vma, kulong address,
			     int write)
{
	pte_t *slot = pte_lookup(m, mm, address);
	struct page *page;

	if (!write) {
		step(m, STEP_write, slot);
		owned(m, page_table, mm);
		*slot = mk_pte(m, m->mem_map + ZERO_PAGE_PFN,
			       vma->vm_page_prot);
		ptl_unlock(m, mm);
		return FAULT_MINOR;
	}
	ptl_unlock(m, mm);
	page = alloc_page(m, GFP_ZERO);
	if (!page)
		return no_memory(m);
	ptl_lock_short(m, mm);
	step(m, STEP_write, slot);
	if (*slot) { /* another thread was faster */
		ptl_unlock_short(m, mm, 1);
		put_page(m, page);
		return FAULT_MINOR;
	}
	map_anon(m, mm, vma, address, slot, page);
	ptl_unlock_short(m, mm, 1);
	count(m, CNT_pgzero);
	spend(m, CLEAR_NS);
	event(m, EV_zero, address, 0, pfn_of(m, page));
	return FAULT_MINOR;
}

/* The page of a file behind an address: a private write gets a copy of its own. */
static struct page *file_page(struct vmemu *m, struct vm_area_struct *vma,
			      kulong index, bool copies, uint32_t *from,
			      int *ret)
{
	struct page *page = filemap_nopage(m, vma, index, ret), *copy;

	if (!page)
		return NULL;
	*from = pfn_of(m, page);
	if (!copies)
		return page;
	copy = make_private_copy(m, page);
	put_page(m, page);
	if (!copy)
		*ret = FAULT_OOM;
	return copy;
}

/* A pte for the file's own page, which a write through a shared area changes. */
static void map_file(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, pte_t *slot, struct page *page,
		     int write)
{
	pte_t pte = mk_pte(m, page, vma->vm_page_prot);

	owned(m, page_table, mm);
	if (!(vma->vm_flags & VM_SHARED))
		pte &= ~(pte_t)_PAGE_RW;
	else if (write)
		pte |= _PAGE_RW | _PAGE_WRITTEN;
	*slot = pte;
	rss_inc(m, mm);
	page_add_file_rmap(m, page, slot);
}

/*
 * First touch of a page of a file, or a pte that says which page of it.  Whoever cuts
 * the file counts that before it looks for ptes: a page that was found before then may
 * not be mapped.
 */
static int do_no_page(struct vmemu *m, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	kulong index = orig ? pte_to_pgoff(orig) : vma_pgoff(vma, address);
	const struct address_space *mapping =
		HOST(m, address_space, vma->vm_file);
	bool copies = write && !(vma->vm_flags & VM_SHARED);
	int ret = FAULT_MINOR;
	uint32_t from = 0, sequence;
	struct page *page;

	ptl_unlock(m, mm);
retry:
	shared(m, STEP_read, &mapping->truncate_count);
	sequence = mapping->truncate_count;
	page = file_page(m, vma, index, copies, &from, &ret);
	if (!page)
		return ret == FAULT_OOM ? no_memory(m) : ret;
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	touch(m, STEP_read, &mapping->truncate_count);
	if (mapping->truncate_count != sequence) {
		ptl_unlock(m, mm);
		put_page(m, page);
		goto retry;
	}
	if (*slot != orig) {
		put_page(m, page);
	} else if (copies) {
		map_anon(m, mm, vma, address, slot, page);
		count(m, CNT_pgcow);
		event(m, EV_cow, address, from, pfn_of(m, page));
	} else {
		map_file(m, mm, vma, slot, page, write);
	}
	ptl_unlock(m, mm);
	return ret;
}

/*
 * A frame with the same contents that nothing maps yet, or NULL.  The caller's
 * pte keeps the old one alive only until reclaim runs, so it is held here.
 */
struct page *make_private_copy(struct vmemu *m, struct page *old)
{
	struct page *page;

	get_page(m, old);
	page = alloc_page(m, GFP_KERNEL);
	if (page) {
		shared(m, STEP_read, page_address(m, old));
		memcpy(page_address(m, page), page_address(m, old), PAGE_SIZE);
		spend(m, COPY_NS);
	}
	put_page(m, old);
	return page;
}

/* Nobody but this pte needs the page; nobody can come to, while it is locked. */
static bool may_reuse(struct vmemu *m, struct page *page)
{
	bool reuse;

	if (page->flags & PG_reserved || !trylock_page(m, page))
		return false;
	reuse = can_share_swap_page(m, page);
	unlock_page(m, page);
	return reuse;
}

/*
 * A write to a present read-only pte: reuse a page nobody else has, or copy
 * (a "COW").
 */
static int do_wp_page(struct vmemu *m, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	struct page *old = m->mem_map + pte_pfn(orig), *page;
	bool zero = old->flags & PG_reserved;

	if (vma->vm_flags & VM_SHARED || may_reuse(m, old)) {
		page_own_anon_rmap(m, old, vma, address);
		step(m, STEP_write, slot);
		owned(m, page_table, mm);
		*slot = orig | _PAGE_RW | _PAGE_WRITTEN | _PAGE_ACCESSED;
		ptl_unlock(m, mm);
		return FAULT_MINOR;
	}
	if (page_executed(old) && m->fault.in_hook) {
		ptl_unlock(m, mm);
		return FAULT_OUTSIDE; /* cached blocks of the old frame */
	}
	get_page(m, old);
	ptl_unlock(m, mm);
	page = make_private_copy(m, old);
	put_page(m, old);
	if (!page)
		return no_memory(m);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) { /* reclaimed or aged meanwhile: fault again */
		ptl_unlock(m, mm);
		put_page(m, page);
		return FAULT_MINOR;
	}
	owned(m, page_table, mm);
	*slot = 0;
	/* In the hook the fill replaces this address's TLB entry; elsewhere the
	 * CPU may still read the old frame through it. */
	if (!m->fault.in_hook || page_executed(old))
		flush_tlb(m);
	if (!zero) {
		rss_sub(m, mm, 1);
		page_remove_rmap(m, old, mm, slot);
		put_page(m, old);
	}
	map_anon(m, mm, vma, address, slot, page);
	ptl_unlock(m, mm);
	count(m, zero ? CNT_pgzero : CNT_pgcow);
	event(m, zero ? EV_zero : EV_cow, address, pte_pfn(orig),
	      pfn_of(m, page));
	return FAULT_MINOR;
}

/* The page may not be mapped here as it is: map a copy. */
static int swap_in_copy(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, kulong address, pte_t orig,
			struct page *page)
{
	struct page *copy = make_private_copy(m, page);
	pte_t *slot = pte_lookup(m, mm, address);

	put_page(m, page);
	if (!copy)
		return no_memory(m);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) {
		ptl_unlock(m, mm);
		put_page(m, copy);
		return FAULT_MINOR;
	}
	*slot = 0;
	map_anon(m, mm, vma, address, slot, copy);
	swap_free(m, pte_to_swp_entry(orig));
	ptl_unlock(m, mm);
	count(m, CNT_rmap_copies);
	count(m, CNT_swapin);
	event(m, EV_swapin, address, pte_to_swp_entry(orig), pfn_of(m, copy));
	return FAULT_MINOR;
}

/*
 * The page is what the pte asks for: map it.  Gives page_table_lock and the page's
 * lock back.
 */
static int map_swapped_in(struct vmemu *m, struct mm_struct *mm,
			  struct vm_area_struct *vma, kulong address, int write,
			  struct page *page)
{
	pte_t *slot = pte_lookup(m, mm, address);
	pte_t pte = mk_pte(m, page, vma->vm_page_prot) | _PAGE_SOFT_DIRTY;
	uint32_t entry = pte_to_swp_entry(*slot);

	owned(m, page_table, mm);
	swap_free(m, entry);
	if (vm_swap_full(m))
		remove_exclusive_swap_page(m, page);
	rss_inc(m, mm);
	if (write && can_share_swap_page(m, page)) {
		page_own_anon_rmap(m, page, vma, address);
		pte |= _PAGE_RW | _PAGE_WRITTEN;
		write = 0;
	}
	unlock_page(m, page);
	set_pte(m, slot, pte);
	count(m, CNT_swapin);
	event(m, EV_swapin, address, entry, pfn_of(m, page));
	if (write)
		return do_wp_page(m, mm, vma, address);
	ptl_unlock(m, mm);
	return FAULT_MINOR;
}

/* The pte holds a swap entry: bring the page back, with readahead. */
static int do_swap_page(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	bool read_ahead = !(vma->vm_flags & VM_RAND_READ), late;
	struct page *page;
	int major = 0, ret;

	ptl_unlock(m, mm);
	page = read_swap_cache(m, pte_to_swp_entry(orig), read_ahead, &major);
	if (!page) {
		shared(m, STEP_read, slot);
		return *slot == orig ? no_memory(m) : FAULT_MINOR;
	}
	mark_page_accessed(m, page);
	lock_page(m, page);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	late = *slot != orig;
	if (!late && page_share_anon_rmap(m, page, vma, address)) {
		ret = map_swapped_in(m, mm, vma, address, write, page);
	} else {
		ptl_unlock(m, mm);
		unlock_page(m, page);
		if (late) { /* another thread was faster */
			put_page(m, page);
			return FAULT_MINOR;
		}
		ret = swap_in_copy(m, mm, vma, address, orig, page);
	}
	return ret == FAULT_MINOR && major ? FAULT_MAJOR : ret;
}

static int pte_fault(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot;

	ptl_lock(m, mm);
	slot = pte_alloc(m, mm, address);
	if (!slot) {
		ptl_unlock(m, mm);
		return no_memory(m);
	}
	step(m, STEP_read, slot);
	/* Each of these gives page_table_lock back. */
	if (!*slot || pte_file(*slot))
		return vma->vm_file ?
			       do_no_page(m, mm, vma, address, write) :
			       do_anonymous_page(m, mm, vma, address, write);
	if (!pte_present(*slot))
		return do_swap_page(m, mm, vma, address, write);
	if (write && !(*slot & _PAGE_RW))
		return do_wp_page(m, mm, vma, address);
	ptl_unlock(m, mm);
	return FAULT_MINOR; /* by now */
}

/*
 * The pte of a permitted access to a vma that is ready for it: make it present,
 * or writable.
 */
int handle_pte_fault(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, int write)
{
	int ret;

	if (!rmap_reserve(m, GFP_KERNEL))
		return no_memory(m);
	ret = pte_fault(m, mm, vma, address, write);
	rmap_unreserve(m);
	return ret;
}

/* The vma if its record decides the fault, else NULL. */
static struct vm_area_struct *decided(struct vmemu *m, struct mm_struct *mm,
				      kulong address, int access)
{
	struct vm_area_struct *vma = find_vma(m, mm, address);

	if (!vma || vma->vm_start > address || !vma_permits(vma, access))
		return NULL;
	if (access == ACCESS_WRITE && !(vma->vm_flags & VM_SHARED) &&
	    m->rmap->prepared && !m->rmap->prepared(m, vma))
		return NULL;
	return vma;
}

/* Resolves one fault, wherever it comes from; mmap_sem is held, read or write. */
int page_fault_locked(struct vmemu *m, struct mm_struct *mm, kulong address,
		      int access)
{
	struct vm_area_struct *vma;
	int ret;

	might_sleep(m, "resolving a fault");
	vma = m->fault.in_c ? decided(m, mm, address, access) : NULL;
	if (unlikely(!vma && m->fault.in_hook && m->fault.inexact)) {
		m->cpu_ops->exact_fault(m);
		address = m->fault.address;
		access = (int)m->fault.access;
	}
	ret = vma ? handle_pte_fault(m, mm, vma, address,
				     access == ACCESS_WRITE) :
		    py_fault_entry(m, mm, address, access);

	if (ret == FAULT_OUTSIDE)
		return ret; /* counted when it is asked again */
	count(m, vma ? CNT_fault_c : CNT_fault_python);
	count(m, CNT_pgfault);
	if (ret == FAULT_MAJOR)
		count(m, CNT_pgmajfault);
	spend(m, FAULT_NS);
	event_of_four(m, EV_fault, address, (uint32_t)access, (uint32_t)ret,
		      m->regs.ip);
	return ret;
}

int page_fault(struct vmemu *m, struct mm_struct *mm, kulong address,
	       int access)
{
	uint32_t held = m->locks.held->nr;
	int ret;

	mmap_read_lock(m, mm);
	ret = page_fault_locked(m, mm, address, access);
	mmap_read_unlock(m, mm);
	if (unlikely(m->locks.held->nr > held))
		lockdep_path_ends(m, "a page fault");
	return ret;
}
