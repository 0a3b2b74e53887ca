/*
 * mm/fault.c - who resolves a fault: the C core when the vma has already decided
 * it, Python when there is something to decide.
 *
 * Python (vmemu/mm/fault.py) is the authority: it answers faults without a vma,
 * grows stacks, refuses accesses, and gives a vma its first rmap object.  What
 * is left then, for either side, is handle_pte_fault().
 */
#include "core/core.h"
#include "mm/mm.h"
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

/*
 * The pte of a permitted access to a vma that is ready for it: make it present,
 * or writable.
 */
int handle_pte_fault(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot;

	ptl_lock(m, mm);
	slot = pte_alloc(m, mm, address);
	if (!slot) {
		ptl_unlock(m, mm);
		return m->in_hook ? FAULT_OUTSIDE : FAULT_OOM;
	}
	step(m, STEP_read, slot);
	/* Each of these gives page_table_lock back. */
	if (!*slot)
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

/* The vma if its record decides the fault, else NULL. */
static struct vm_area_struct *decided(struct vmemu *m, struct mm_struct *mm,
				      kulong address, int access)
{
	struct vm_area_struct *vma = find_vma(m, mm, address);

	if (!vma || vma->vm_start > address || !vma_permits(vma, access))
		return NULL;
	if (access == ACCESS_WRITE && !m->rmap->prepared(m, vma))
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
	vma = m->fault_in_c ? decided(m, mm, address, access) : NULL;
	if (unlikely(!vma && m->in_hook && m->fault_inexact)) {
		m->cpu_ops->exact_fault(m);
		address = m->fault_address;
		access = (int)m->fault_access;
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
	uint32_t held = m->held->nr;
	int ret;

	mmap_read_lock(m, mm);
	ret = page_fault_locked(m, mm, address, access);
	mmap_read_unlock(m, mm);
	if (unlikely(m->held->nr > held))
		lockdep_path_ends(m, "a page fault");
	return ret;
}
