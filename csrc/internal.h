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

static inline void event(struct vmemu *m, int type, uint32_t a, uint32_t b,
			 uint32_t c)
{
	if (m->ring_size)
		vmemu_event(m, type, a, b, c);
}

/* Records the first inconsistency; Python raises it at the next boundary. */
void vmemu_bug(struct vmemu *, const char *file, int line, const char *format,
	       ...) __attribute__((cold, format(printf, 4, 5)));
#define BUG(m, ...) vmemu_bug(m, __FILE_NAME__, __LINE__, __VA_ARGS__)
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

static inline bool is_cow_mapping(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* A frame that code was fetched from must not change under cached blocks. */
static inline bool page_executed(const struct page *page)
{
	return page->flags & PG_arch_1;
}

/* ---- locks ------------------------------------------------------------------ */

/* The uncommon half of each operation: somebody watches, or the lock is taken. */
void lock_watched(struct vmemu *, enum lock_class, kptr object);
bool trylock_watched(struct vmemu *, enum lock_class, kptr object);
void unlock_watched(struct vmemu *, enum lock_class, kptr object);
void step_watched(struct vmemu *, enum step_kind, kptr object);

/* lockdep.c */
void lockdep_acquire(struct vmemu *, enum lock_class, kptr object,
		     uint32_t mode); /* about to wait for it */
void lockdep_acquired(struct vmemu *, enum lock_class, kptr object,
		      uint32_t mode);
void lockdep_release(struct vmemu *, enum lock_class, kptr object,
		     uint32_t mode);
void lockdep_sleeps(struct vmemu *, const char *why, const char *file,
		    int line);

/* The caller may have to wait for memory, for I/O, or for another task. */
#define might_sleep(m, why)                                                    \
	do {                                                                   \
		if (unlikely((m)->watch & WATCH_LOCKS))                        \
			lockdep_sleeps(m, why, __FILE_NAME__, __LINE__);       \
	} while (0)

/* The writes that follow need what owner.c says: __func__ is the writer. */
#define owned(m, field, object)                                                \
	do {                                                                   \
		if (unlikely((m)->watch & WATCH_LOCKS))                        \
			assert_owner(m, OWNED_##field, object, __func__);      \
	} while (0)

/* A point where another path of the kernel might run. */
static inline void step(struct vmemu *m, enum step_kind kind,
			const void *object)
{
	m->steps++;
	if (unlikely(m->watch & WATCH_EXPLORE))
		step_watched(m, kind, kaddr(m, object));
}

/* One pte of many: the loop tests once for the explorer and adds up the steps. */
static inline void step_of_many(struct vmemu *m, bool told, const pte_t *pte)
{
	if (unlikely(told))
		step_watched(m, STEP_write, kaddr(m, pte));
}

/*
 * An access to something shared that no lock guards, where another path might
 * run as well; of no interest to anybody but the explorer.
 */
static inline void shared(struct vmemu *m, enum step_kind kind,
			  const void *object)
{
	if (unlikely(m->watch & WATCH_EXPLORE))
		step_watched(m, kind, kaddr(m, object));
}

/* For loops, which need not ask for each page whether to tell the explorer. */
static inline bool explored(const struct vmemu *m)
{
	return unlikely(m->watch & WATCH_EXPLORE);
}

/* A shared access that is part of the step in progress. */
static inline void touch(struct vmemu *m, enum step_kind kind,
			 const void *object)
{
	if (unlikely(m->watch & WATCH_EXPLORE))
		explore_touch(m, kind, kaddr(m, object));
}

/* A store to a pte that does not belong to the step that looked at it. */
static inline void set_pte(struct vmemu *m, pte_t *slot, pte_t pte)
{
	shared(m, STEP_write, slot);
	*slot = pte;
}

/* The explorer hears of rss where it decides whether a walker looks at mm. */
static inline void rss_inc(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(!mm->rss))
		touch(m, STEP_write, &mm->rss);
	mm->rss++;
}

static inline void rss_sub(struct vmemu *m, struct mm_struct *mm, kulong n)
{
	if (n == mm->rss)
		touch(m, STEP_write, &mm->rss);
	mm->rss -= n;
}

static inline bool has_pages(struct vmemu *m, const struct mm_struct *mm)
{
	touch(m, STEP_read, &mm->rss);
	return mm->rss != 0;
}

/* steps_held is the sum of the steps at unlocks less that of those at locks. */
static inline void lock_acquired(struct vmemu *m, enum lock_class class)
{
	struct lock_stat *stat = &m->lock_stat[class];

	stat->acquired++;
	stat->steps_held -= m->steps;
}

static inline void lock_released(struct vmemu *m, enum lock_class class)
{
	m->lock_stat[class].steps_held += m->steps;
}

/* Sleeping locks, which may be found taken: reclaim meets a page in use. */
static inline void lock_bits(struct vmemu *m, enum lock_class class,
			     uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch | (*word & bits)))
		lock_watched(m, class, kaddr(m, word));
	*word |= bits;
	lock_acquired(m, class);
}

static inline bool trylock_bits(struct vmemu *m, enum lock_class class,
				uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch | (*word & bits)) &&
	    !trylock_watched(m, class, kaddr(m, word)))
		return false;
	*word |= bits;
	lock_acquired(m, class);
	return true;
}

static inline void unlock_bits(struct vmemu *m, enum lock_class class,
			       uint32_t *word, uint32_t bits)
{
	if (unlikely(m->watch || !(*word & bits)))
		unlock_watched(m, class, kaddr(m, word));
	lock_released(m, class);
	*word &= ~bits;
}

/*
 * Spinlocks.  While nobody watches one path runs, and none sleeps with a
 * spinlock, so it never finds one taken: all that is left of it is the count.
 */
static inline void spin_lock_bit(struct vmemu *m, enum lock_class class,
				 uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch)) {
		lock_watched(m, class, kaddr(m, word));
		*word |= bit;
	}
	lock_acquired(m, class);
}

static inline bool spin_trylock(struct vmemu *m, enum lock_class class,
				uint32_t *lock)
{
	if (unlikely(m->watch)) {
		if (!trylock_watched(m, class, kaddr(m, lock)))
			return false;
		*lock |= 1;
	}
	lock_acquired(m, class);
	return true;
}

static inline void spin_unlock_bit(struct vmemu *m, enum lock_class class,
				   uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch)) {
		unlock_watched(m, class, kaddr(m, word));
		*word &= ~bit;
	}
	lock_released(m, class);
}

/* The same where it is known how many steps there are while it is held. */
static inline void spin_lock_short(struct vmemu *m, enum lock_class class,
				   uint32_t *word, uint32_t bit)
{
	if (unlikely(m->watch))
		spin_lock_bit(m, class, word, bit);
	else
		m->lock_stat[class].acquired++;
}

static inline void spin_unlock_short(struct vmemu *m, enum lock_class class,
				     uint32_t *word, uint32_t bit,
				     uint32_t steps)
{
	if (unlikely(m->watch))
		spin_unlock_bit(m, class, word, bit);
	else if (steps)
		m->lock_stat[class].steps_held += steps;
}

static inline void spin_lock(struct vmemu *m, enum lock_class class,
			     uint32_t *lock)
{
	spin_lock_bit(m, class, lock, 1);
}

static inline void spin_unlock(struct vmemu *m, enum lock_class class,
			       uint32_t *lock)
{
	spin_unlock_bit(m, class, lock, 1);
}

static inline void lock_page(struct vmemu *m, struct page *page)
{
	lock_bits(m, LOCK_page, &page->flags, PG_locked);
}

static inline bool trylock_page(struct vmemu *m, struct page *page)
{
	return trylock_bits(m, LOCK_page, &page->flags, PG_locked);
}

static inline void unlock_page(struct vmemu *m, struct page *page)
{
	unlock_bits(m, LOCK_page, &page->flags, PG_locked);
}

static inline void page_map_lock(struct vmemu *m, struct page *page)
{
	spin_lock_bit(m, LOCK_page_map, &page->flags, PG_maplock);
}

static inline void page_map_unlock(struct vmemu *m, struct page *page)
{
	spin_unlock_bit(m, LOCK_page_map, &page->flags, PG_maplock);
}

static inline void page_map_lock_short(struct vmemu *m, struct page *page)
{
	spin_lock_short(m, LOCK_page_map, &page->flags, PG_maplock);
}

static inline void page_map_unlock_short(struct vmemu *m, struct page *page)
{
	spin_unlock_short(m, LOCK_page_map, &page->flags, PG_maplock, 0);
}

static inline void ptl_lock(struct vmemu *m, struct mm_struct *mm)
{
	spin_lock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline bool ptl_trylock(struct vmemu *m, struct mm_struct *mm)
{
	return spin_trylock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline void ptl_unlock(struct vmemu *m, struct mm_struct *mm)
{
	spin_unlock(m, LOCK_page_table, &mm->page_table_lock);
}

static inline void ptl_lock_short(struct vmemu *m, struct mm_struct *mm)
{
	spin_lock_short(m, LOCK_page_table, &mm->page_table_lock, 1);
}

static inline bool ptl_trylock_short(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch))
		return ptl_trylock(m, mm);
	m->lock_stat[LOCK_page_table].acquired++;
	return true;
}

static inline void ptl_unlock_short(struct vmemu *m, struct mm_struct *mm,
				    uint32_t steps)
{
	spin_unlock_short(m, LOCK_page_table, &mm->page_table_lock, 1, steps);
}

/* mmap_sem for read: see lock.c. */
void read_watched(struct vmemu *, struct mm_struct *);
void read_released(struct vmemu *, struct mm_struct *);

static inline void mmap_read_lock(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch || mm->mmap_sem.count < 0))
		read_watched(m, mm);
	mm->mmap_sem.count++;
	lock_acquired(m, LOCK_mmap_sem);
}

static inline void mmap_read_unlock(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(m->watch || mm->mmap_sem.count <= 0))
		read_released(m, mm);
	lock_released(m, LOCK_mmap_sem);
	mm->mmap_sem.count--;
}

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
/* vma.c: out of the list and tree, all at once; the first */
struct vm_area_struct *detach_vmas(struct vmemu *, struct mm_struct *);

/* lockdep.c */
const char *held_names(struct vmemu *, char *text, size_t size);
#define HELD_NAMES(m) held_names(m, (char[384]){ 0 }, 384)

void slab_boot(struct vmemu *, uint32_t cache_line);

/* memory.c, for fault.c: enum fault_result */
int do_anonymous_page(struct vmemu *, struct mm_struct *,
		      struct vm_area_struct *, kulong address, int write);
int do_no_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
	       kulong address, int write);
int do_wp_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
	       kulong address);
int do_swap_page(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
		 kulong address, int write);

/* syscall.c */
const uint32_t *syscall_in_c(struct vmemu *, uint32_t number);

/* radix.c */
int radix_tree_insert(struct vmemu *, struct radix_tree_root *, kulong index,
		      void *item);
void *radix_tree_lookup(struct vmemu *, struct radix_tree_root *, kulong index);
void *radix_tree_delete(struct vmemu *, struct radix_tree_root *, kulong index);

/* rbtree.c: keyed by vm_start */
void vma_rb_insert(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
void vma_rb_erase(struct vmemu *, struct mm_struct *, struct vm_area_struct *);

/* rmap.c, for the schemes' walkers */
enum rmap_walk { WALK_REFERENCED, WALK_UNMAP };
int page_referenced_one(struct vmemu *, struct page *, struct mm_struct *,
			kulong address, uint32_t *mapcount);
int try_to_unmap_one(struct vmemu *, struct page *, struct mm_struct *,
		     struct vm_area_struct *, kulong address);
struct page *make_private_copy(struct vmemu *, struct page *);

/* filemap.c */
struct page *filemap_nopage(struct vmemu *, struct vm_area_struct *,
			    kulong address, int *ret);

/* swap.c, swap_state.c */
void free_swap_and_cache(struct vmemu *, uint32_t entry);
void leave_swap_cache(struct vmemu *, struct page *);
int add_to_swap(struct vmemu *, struct page *);
int add_to_swap_cache(struct vmemu *, struct page *, uint32_t entry);
bool delete_from_swap_cache(struct vmemu *, struct page *, int32_t users);
bool can_share_swap_page(struct vmemu *, struct page *);
bool vm_swap_full(struct vmemu *);
void swap_writepage(struct vmemu *, struct page *);

/* swap_io.c */
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
