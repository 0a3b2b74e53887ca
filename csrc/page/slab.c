/*
 * page/slab.c - object caches by the packing rules of mm/slab.c, 2.6.6; or, under
 * the layout of a kernel that has it, by those of mm/slub.c, 2.6.23 and later.
 *
 * A slab is one frame: struct slab (24 bytes), a 4-byte bufctl per object, the
 * objects.  Objects of 512 bytes and more would keep the first two elsewhere,
 * unless what is left over in the page holds them anyway; with the sizes of
 * 2.6 it always does.  No per-CPU arrays and no colouring; an empty slab gives
 * its frame back at once.
 *
 *   frame: | struct slab | bufctl[num] | pad | object 0 | object 1 | ... |
 *
 * SLUB has nothing in the frame but objects: what it knows of a slab stands in
 * struct page (private: the first free object, index: objects in use, mapping: the
 * cache), and each free object points at the next.
 *
 *   frame: | object 0 | object 1 | ... | what is left |
 */
#include "core/core.h"
#include "page/page.h"
#include "watch/lock.h"

#define BUFCTL_END 0xffffffffu

static uint32_t align_up(uint32_t n, uint32_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static uint32_t header_size(uint32_t num, uint32_t align)
{
	return align_up((uint32_t)sizeof(struct slab) + num * 4, align);
}

/* An object takes its size, or so many bytes if that is more. */
static void cache_init(struct vmemu *m, uint32_t id, size_t size,
		       uint32_t align, uint32_t room)
{
	struct kmem_cache *c = &m->k->caches[id];

	c->id = id;
	c->slub = m->layout.slub;
	c->objsize = (uint32_t)size;
	c->align = align < sizeof(kptr) ? sizeof(kptr) : align;
	c->bufsize = align_up(room > c->objsize ? room : c->objsize, c->align);
	if (c->slub)
		c->num = PAGE_SIZE / c->bufsize;
	else
		while (header_size(c->num + 1, c->align) +
			       (c->num + 1) * c->bufsize <=
		       PAGE_SIZE)
			c->num++;
	list_init(m, &c->slabs_full);
	list_init(m, &c->slabs_partial);
}

static uint32_t larger(size_t natural, uint32_t other)
{
	return natural > other ? (uint32_t)natural : other;
}

void slab_boot(struct vmemu *m, uint32_t cache_line)
{
	const struct rmap_ops *rmap = m->rmap;
	const struct i_mmap_ops *i_mmap = m->i_mmap;
	const struct kernel_layout *layout = &m->layout;
	uint32_t i;

	cache_init(m, CACHE_vm_area_struct,
		   larger(sizeof(struct vm_area_struct) + i_mmap->vma_bytes,
			  layout->vma) +
			   (uint32_t)(m->i_mmap_node -
				      sizeof(struct vm_area_struct)),
		   4, 0);
	cache_init(m, CACHE_mm_struct,
		   larger(sizeof(struct mm_struct), layout->mm) + rmap->mm_tail,
		   cache_line, 0);
	cache_init(m, CACHE_address_space,
		   sizeof(struct address_space) + i_mmap->space_bytes, 4, 0);
	cache_init(m, CACHE_radix_tree_node, sizeof(struct radix_tree_node), 4,
		   0);
	for (i = 0; i < MAX_RMAP_CACHES && rmap->caches[i].name; i++) {
		const struct rmap_cache *own = &rmap->caches[i];
		uint32_t size = rmap->cache_size ? rmap->cache_size(m, (int)i) :
						   own->size;
		bool changed = own->later && layout->object > size;

		cache_init(m, CACHE_rmap + i, changed ? layout->object : size,
			   own->align ? own->align : size,
			   own->later ? layout->object_room : 0);
	}
}

/* ---- one slab, of either kind, by its frame --------------------------------- */

static uint32_t *bufctl(struct slab *s)
{
	return (uint32_t *)(s + 1);
}

static struct list_head *links(struct vmemu *m, const struct kmem_cache *c,
			       struct page *page)
{
	struct slab *s = page_address(m, page);

	return c->slub ? &page->lru : &s->list;
}

static bool belongs(struct vmemu *m, const struct kmem_cache *c,
		    const struct page *page)
{
	kptr owner = c->slub ? page->mapping : page->lru.next;

	return page->flags & PG_slab && owner == kaddr(m, c);
}

static bool is_full(struct vmemu *m, const struct kmem_cache *c,
		    struct page *page)
{
	const struct slab *s = page_address(m, page);

	return c->slub ? page->private == 0 : s->free == BUFCTL_END;
}

static uint32_t in_use(struct vmemu *m, const struct kmem_cache *c,
		       struct page *page)
{
	const struct slab *s = page_address(m, page);

	return c->slub ? (uint32_t)page->index : s->inuse;
}

static kptr first_object(struct vmemu *m, const struct kmem_cache *c,
			 struct page *page)
{
	const struct slab *s = page_address(m, page);

	return c->slub ? kaddr(m, s) : s->s_mem;
}

static void slab_init(struct vmemu *m, struct kmem_cache *c, struct page *page)
{
	struct slab *s = page_address(m, page);
	uint32_t i;

	page->lru.next = kaddr(m, c); /* as SET_PAGE_CACHE did */
	s->colouroff = 0;
	s->s_mem = kaddr(m, s) + header_size(c->num, c->align);
	s->inuse = 0;
	s->free = 0;
	for (i = 0; i < c->num; i++)
		bufctl(s)[i] = i + 1 < c->num ? i + 1 : BUFCTL_END;
}

static void slub_init(struct vmemu *m, struct kmem_cache *c, struct page *page)
{
	kptr at = kaddr(m, page_address(m, page));
	uint32_t i;

	page->mapping = kaddr(m, c);
	page->private = at;
	page->index = 0;
	for (i = 0; i < c->num; i++, at += c->bufsize)
		*(kptr *)host(m, at) = i + 1 < c->num ? at + c->bufsize : 0;
}

static bool slab_grow(struct vmemu *m, struct kmem_cache *c, int gfp)
{
	struct page *page = alloc_page(m, gfp);

	if (!page)
		return false;
	page->flags |= PG_slab;
	(c->slub ? slub_init : slab_init)(m, c, page);
	list_add(m, links(m, c, page), &c->slabs_partial);
	c->nr_slabs++;
	return true;
}

static void *take_object(struct vmemu *m, struct kmem_cache *c,
			 struct page *page)
{
	struct slab *s = page_address(m, page);
	void *object;

	if (c->slub) {
		object = host(m, page->private);
		page->private = *(kptr *)object;
		page->index++;
	} else {
		object = host(m, s->s_mem + s->free * c->bufsize);
		s->free = bufctl(s)[s->free];
		s->inuse++;
	}
	return object;
}

static void give_object(struct vmemu *m, struct kmem_cache *c,
			struct page *page, void *object, uint32_t i)
{
	struct slab *s = page_address(m, page);

	if (c->slub) {
		*(kptr *)object = page->private;
		page->private = kaddr(m, object);
		page->index--;
	} else {
		bufctl(s)[i] = s->free;
		s->free = i;
		s->inuse--;
	}
}

/* ---- objects ------------------------------------------------------------------ */

/* A zeroed object, or NULL. */
void *kmem_cache_alloc(struct vmemu *m, int id, int gfp)
{
	struct kmem_cache *c = &m->k->caches[id];
	struct page *page;
	void *object;

	if (!(gfp & GFP_ATOMIC))
		might_sleep(m, "allocating an object");
	if (list_empty(m, &c->slabs_partial) && !slab_grow(m, c, gfp))
		return NULL;
	page = c->slub ? ENTRY(m, c->slabs_partial.next, page, lru) :
			 virt_to_page(m, host(m, c->slabs_partial.next));
	object = take_object(m, c, page);
	c->nr_active++;
	if (is_full(m, c, page)) {
		list_del(m, links(m, c, page));
		list_add(m, links(m, c, page), &c->slabs_full);
	}
	memset(object, 0, c->objsize);
	return object;
}

static bool is_free(struct vmemu *m, const struct kmem_cache *c,
		    struct page *page, kptr object, uint32_t number)
{
	struct slab *s = page_address(m, page);
	uint32_t i;
	kptr at;

	if (c->slub) {
		for (at = page->private; at; at = *(kptr *)host(m, at))
			if (at == object)
				return true;
		return false;
	}
	for (i = s->free; i != BUFCTL_END; i = bufctl(s)[i])
		if (i == number)
			return true;
	return false;
}

/* Is there an allocated object of this cache?  For callers to be distrusted. */
int kmem_cache_owns(struct vmemu *m, int id, kptr object)
{
	struct kmem_cache *c = &m->k->caches[id];
	kulong pfn = (object - PAGE_OFFSET) >> PAGE_SHIFT;
	struct page *page = m->mem_map + pfn;
	kptr first;

	if (object < PAGE_OFFSET || pfn >= m->nr_frames || !belongs(m, c, page))
		return 0;
	first = first_object(m, c, page);
	if (object < first || (object - first) % c->bufsize ||
	    (object - first) / c->bufsize >= c->num)
		return 0;
	return !is_free(m, c, page, object,
			(uint32_t)((object - first) / c->bufsize));
}

void kmem_cache_free(struct vmemu *m, int id, void *object)
{
	struct kmem_cache *c = &m->k->caches[id];
	struct page *page = virt_to_page(m, object);
	struct list_head *list = links(m, c, page);
	uint32_t i;

	if (BUG_ON(m, !belongs(m, c, page)))
		return;
	i = (uint32_t)((kaddr(m, object) - first_object(m, c, page)) /
		       c->bufsize);
	if (BUG_ON(m, i >= c->num || in_use(m, c, page) == 0))
		return;
	memset(object, 0x6b, c->objsize); /* use after free shows at once */
	if (is_full(m, c, page)) {
		list_del(m, list);
		list_add(m, list, &c->slabs_partial);
	}
	give_object(m, c, page, object, i);
	c->nr_active--;
	if (in_use(m, c, page))
		return;
	list_del(m, list);
	c->nr_slabs--;
	page->flags &= ~(kulong)PG_slab;
	page->lru.next = page->lru.prev = 0;
	page->private = page->mapping = page->index = 0;
	free_page(m, page);
}
