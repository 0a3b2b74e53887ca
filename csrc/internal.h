/* internal.h - what the core's files share and Python never sees. */
#ifndef VMEMU_INTERNAL_H
#define VMEMU_INTERNAL_H
#include "vmemu.h"

#include <string.h>

#define PAGE_OFFSET 0xC0000000u
#define PAGE_MASK (~(kulong)(PAGE_SIZE - 1))
#define PGDIR_SIZE ((kulong)1 << PGDIR_SHIFT)
#define TASK_SIZE PAGE_OFFSET

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The one place where guest kernel pointers become host pointers. */
static inline void *host(struct vmemu *m, kptr k)
{
	return m->ram + (k - PAGE_OFFSET);
}

static inline kptr kaddr(struct vmemu *m, const void *p)
{
	return (kptr)((const uint8_t *)p - m->ram) + PAGE_OFFSET;
}

#define HOST(m, type, k) ((struct type *)host(m, k))
#define ENTRY(m, k, type, member)                                              \
	((struct type *)((uint8_t *)host(m, k) - offsetof(struct type, member)))

static inline void count(struct vmemu *m, int id)
{
	m->counter[id]++;
}

/* The kernel works for so many virtual nanoseconds. */
static inline void spend(struct vmemu *m, uint64_t ns)
{
	m->clock += ns;
	m->stime += ns;
}

/* A device works, and who asked waits: 2.6 counts that as nobody's CPU time. */
static inline void waits_for_io(struct vmemu *m)
{
	m->clock += PAGE_IO_NS;
	m->iowait += PAGE_IO_NS;
}

/* The task that faults must not go on: a timer is due, or the event that
 * somebody waits for has come. */
static inline bool must_stop(const struct vmemu *m)
{
	return m->clock >= m->next_timer || m->stop_event.type;
}

void write_event(struct vmemu *, int type, uint32_t a, uint32_t b, uint32_t c,
		 uint32_t d);

static inline void event(struct vmemu *m, int type, uint32_t a, uint32_t b,
			 uint32_t c)
{
	m->happened[type]++;
	if (unlikely(m->events_told >> type & 1))
		write_event(m, type, a, b, c, 0);
}

/* Records the first inconsistency; Python raises it at the next boundary. */
void vmemu_bug(struct vmemu *, const char *file, int line, const char *format,
	       ...) __attribute__((cold, format(printf, 4, 5)));
#define BUG(m, ...) vmemu_bug(m, __FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(m, condition)                                                   \
	(unlikely(condition) ? (BUG(m, "%s", #condition), 1) : 0)

/* ---- lists of guest objects ---------------------------------------------- */

static inline void list_init(struct vmemu *m, struct list_head *head)
{
	head->next = head->prev = kaddr(m, head);
}

static inline bool list_empty(struct vmemu *m, const struct list_head *head)
{
	return head->next == kaddr(m, head);
}

static inline void list_insert(struct vmemu *m, struct list_head *node,
			       kptr prev, kptr next)
{
	kptr k = kaddr(m, node);

	node->prev = prev;
	node->next = next;
	HOST(m, list_head, prev)->next = k;
	HOST(m, list_head, next)->prev = k;
}

static inline void list_add(struct vmemu *m, struct list_head *node,
			    struct list_head *head)
{
	list_insert(m, node, kaddr(m, head), head->next);
}

static inline void list_add_tail(struct vmemu *m, struct list_head *node,
				 struct list_head *head)
{
	list_insert(m, node, head->prev, kaddr(m, head));
}

static inline void list_del(struct vmemu *m, struct list_head *node)
{
	HOST(m, list_head, node->prev)->next = node->next;
	HOST(m, list_head, node->next)->prev = node->prev;
	node->next = node->prev = 0;
}

/* The nodes from first to last, neighbours already, to before another node. */
static inline void list_move_run(struct vmemu *m, struct list_head *first,
				 struct list_head *last, struct list_head *next)
{
	HOST(m, list_head, first->prev)->next = last->next;
	HOST(m, list_head, last->next)->prev = first->prev;
	HOST(m, list_head, next->prev)->next = kaddr(m, first);
	first->prev = next->prev;
	next->prev = kaddr(m, last);
	last->next = kaddr(m, next);
}

/* ---- frames ---------------------------------------------------------------- */

static inline uint32_t pfn_of(struct vmemu *m, const struct page *page)
{
	return (uint32_t)(page - m->mem_map);
}

static inline void *page_address(struct vmemu *m, const struct page *page)
{
	return m->ram + ((uint64_t)pfn_of(m, page) << PAGE_SHIFT);
}

static inline struct page *virt_to_page(struct vmemu *m, const void *p)
{
	return m->mem_map + (((const uint8_t *)p - m->ram) >> PAGE_SHIFT);
}

/* ---- ptes --------------------------------------------------------------- */

static inline bool pte_present(pte_t pte)
{
	return pte & (_PAGE_PRESENT | _PAGE_PROTNONE);
}

static inline uint32_t pte_pfn(pte_t pte)
{
	return pte >> PAGE_SHIFT;
}

static inline pte_t mk_pte(struct vmemu *m, struct page *page, kulong prot)
{
	return ((pte_t)pfn_of(m, page) << PAGE_SHIFT) | prot;
}

static inline pte_t swp_entry_to_pte(uint32_t entry)
{
	return entry;
}

static inline uint32_t pte_to_swp_entry(pte_t pte)
{
	return pte;
}

static inline uint32_t swp_entry(uint32_t type, uint32_t offset)
{
	return type << 1 | offset << 8;
}

static inline uint32_t swp_type(uint32_t entry)
{
	return entry >> 1 & 0x1f;
}

static inline uint32_t swp_offset(uint32_t entry)
{
	return entry >> 8;
}

static inline kulong pgd_index(kulong address)
{
	return address >> PGDIR_SHIFT;
}

/* The pte slot for address, or NULL when there is no page table. */
static inline pte_t *pte_lookup(struct vmemu *m, struct mm_struct *mm,
				kulong address)
{
	pgd_t *pgd = host(m, mm->pgd);
	pgd_t entry = pgd[pgd_index(address)];

	if (!(entry & _PAGE_PRESENT))
		return NULL;
	return (pte_t *)(m->ram + (entry & PAGE_MASK)) +
	       (address >> PAGE_SHIFT & (PTRS_PER_PTE - 1));
}

static inline kulong vma_pgoff(const struct vm_area_struct *vma, kulong address)
{
	return ((address - vma->vm_start) >> PAGE_SHIFT) + vma->vm_pgoff;
}

/*
 * Where the vma would map the page of this index; false: nowhere.  Offsets wrap,
 * since a stack may have been moved up and grown down past offset 0, so the
 * address decides and not a comparison of offsets.
 */
static inline bool vma_address(const struct vm_area_struct *vma, kulong index,
			       kulong *address)
{
	*address = vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
	return *address >= vma->vm_start && *address < vma->vm_end;
}

static inline bool is_cow_mapping(kulong vm_flags)
{
	return (vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* A frame that code was fetched from must not change under cached blocks. */
static inline bool page_executed(const struct page *page)
{
	return page->flags & PG_arch_1;
}

#include "watch/lock.h"

/* ---- one pte of a page -------------------------------------------------------- */

/*
 * Loops over many ptes are compiled twice: `watched` is false where nobody
 * watches, and then the caller counts the page_map_locks.
 */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* fork copies a pte: candidates include the child already. */
static ALWAYS_INLINE void page_dup(struct vmemu *m, struct page *page,
				   const bool watched)
{
	if (watched) {
		touch(m, STEP_add, &page->_count);
		page_map_lock(m, page);
		owned(m, mapcount, page);
		touch(m, STEP_write, &page->mapcount);
	}
	page->_count++;
	BUG_ON(m, !page->mapcount++);
	if (watched)
		page_map_unlock(m, page);
}

/* One pte less, with page_map_lock; was it the last? */
static ALWAYS_INLINE bool drop_mapcount(struct vmemu *m, struct page *page,
					const bool watched)
{
	if (BUG_ON(m, page->mapcount == 0))
		return false;
	if (watched) {
		owned(m, mapcount, page);
		touch(m, STEP_write, &page->mapcount);
	}
	return !--page->mapcount;
}

/* Nothing maps the anonymous page any more. */
static ALWAYS_INLINE void forget_anon(struct vmemu *m, struct page *page)
{
	if (m->rmap->remove_anon)
		m->rmap->remove_anon(m, page);
	page->flags &= ~(kulong)PG_anon;
	page->mapping = 0;
}

/* ---- between the files --------------------------------------------------- */

extern const struct rmap_ops rmap_none, rmap_anonmm, rmap_anon_vma, rmap_python;

void lru_remove(struct vmemu *, struct page *);
bool free_frame(struct vmemu *, struct page *, struct list_head *above);
void release_below(struct vmemu *, struct page *const *, uint32_t n,
		   struct page **below);
void free_page(struct vmemu *, struct page *);
void frames_freed(struct vmemu *, uint32_t freed, uint32_t quarantined);
/* mm/vma.c: out of the list and tree, all at once; the first */
struct vm_area_struct *detach_vmas(struct vmemu *, struct mm_struct *);

/* watch/lockdep.c */
const char *held_names(struct vmemu *, char *text, size_t size);
#define HELD_NAMES(m) held_names(m, (char[384]){ 0 }, 384)

void slab_boot(struct vmemu *, uint32_t cache_line);

/* mm/memory.c, for mm/fault.c: enum fault_result */
int do_anonymous_page(struct vmemu *, struct mm_struct *,
		      struct vm_area_struct *, kulong address, int write);
int do_no_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
	       kulong address, int write);
int do_wp_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
	       kulong address);
int do_swap_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
		 kulong address, int write);

/* cpu/syscall.c */
const uint32_t *syscall_in_c(struct vmemu *, uint32_t number);

/* base/radix.c */
int radix_tree_insert(struct vmemu *, struct radix_tree_root *, kulong index,
		      void *item);
void *radix_tree_lookup(struct vmemu *, struct radix_tree_root *, kulong index);
void *radix_tree_delete(struct vmemu *, struct radix_tree_root *, kulong index);

/* base/rbtree.c: keyed by vm_start */
void vma_rb_insert(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
void vma_rb_erase(struct vmemu *, struct mm_struct *, struct vm_area_struct *);

/* rmap/rmap.c, for the schemes' walkers */
enum rmap_walk { WALK_REFERENCED, WALK_UNMAP };
int walk_file(struct vmemu *, struct page *, enum rmap_walk);
bool page_share_anon_rmap(struct vmemu *, struct page *,
			  struct vm_area_struct *, kulong address);
int page_referenced_one(struct vmemu *, struct page *, struct mm_struct *,
			kulong address, uint32_t *mapcount);
int try_to_unmap_one(struct vmemu *, struct page *, struct mm_struct *,
		     struct vm_area_struct *, kulong address);
struct page *make_private_copy(struct vmemu *, struct page *);

/* rmap/check.c */
void rmap_found(struct vmemu *, const struct mm_struct *, kulong address);
void stamp_anon(
	struct vmemu *, const struct vm_area_struct *,
	const struct vm_area_struct *in_place_of); /* NULL: at the front */
void stamp_file(struct vmemu *, const struct vm_area_struct *);

/* file/filemap.c */
struct page *filemap_nopage(struct vmemu *, struct vm_area_struct *,
			    kulong address, int *ret);

/* swap/area.c, swap/cache.c */
void free_swap_and_cache(struct vmemu *, uint32_t entry);
void leave_swap_cache(struct vmemu *, struct page *);
int add_to_swap(struct vmemu *, struct page *);
int add_to_swap_cache(struct vmemu *, struct page *, uint32_t entry);
bool delete_from_swap_cache(struct vmemu *, struct page *, int32_t users);
bool can_share_swap_page(struct vmemu *, struct page *);
bool vm_swap_full(struct vmemu *);
void swap_writepage(struct vmemu *, struct page *);

/* swap/io.c */
#define SWAP_RUN_MAX 64
struct swap_reads { /* by slot */
	uint32_t n;
	struct page *pages[SWAP_RUN_MAX];
};
void swap_write(struct vmemu *, struct page *, uint32_t entry);
void swap_write_flush(struct vmemu *);
void swap_read(struct vmemu *, struct swap_reads *, struct page *);
void swap_read_check(struct vmemu *, struct swap_reads *);
void swap_read_flush(struct vmemu *, struct swap_reads *);
uint16_t *swap_map(struct vmemu *, struct swap_info *, uint32_t offset);

#endif
