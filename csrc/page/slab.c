/*
 * page/slab.c - object caches by the packing rules of mm/slab.c, 2.6.6.
 *
 * A slab is one frame: struct slab (24 bytes), a 4-byte bufctl per object, the
 * objects.  Objects of 512 bytes and more would keep the first two elsewhere,
 * unless what is left over in the page holds them anyway; with the sizes of
 * 2.6 it always does.  No per-CPU arrays and no colouring; an empty slab gives
 * its frame back at once.
 *
 *   frame: | struct slab | bufctl[num] | pad | object 0 | object 1 | ... |
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

static void cache_init(struct vmemu *m, uint32_t id, size_t size,
		       uint32_t align)
{
	struct kmem_cache *c = &m->k->caches[id];

	c->id = id;
	c->objsize = (uint32_t)size;
	c->align = align;
	c->bufsize = align_up(c->objsize, align);
	while (header_size(c->num + 1, align) + (c->num + 1) * c->bufsize <=
	       PAGE_SIZE)
		c->num++;
	list_init(m, &c->slabs_full);
	list_init(m, &c->slabs_partial);
}

void slab_boot(struct vmemu *m, uint32_t cache_line)
{
	const struct rmap_ops *rmap = m->rmap;
	uint32_t i;

	cache_init(m, CACHE_vm_area_struct,
		   sizeof(struct vm_area_struct) + rmap->vma_tail, 4);
	cache_init(m, CACHE_mm_struct, sizeof(struct mm_struct) + rmap->mm_tail,
		   cache_line);
	cache_init(m, CACHE_address_space, sizeof(struct address_space), 4);
	cache_init(m, CACHE_radix_tree_node, sizeof(struct radix_tree_node), 4);
	for (i = 0; i < MAX_RMAP_CACHES && rmap->caches[i].name; i++)
		cache_init(m, CACHE_rmap + i, rmap->caches[i].size,
			   rmap->caches[i].align);
}

static uint32_t *bufctl(struct slab *s)
{
	return (uint32_t *)(s + 1);
}

static struct slab *slab_grow(struct vmemu *m, struct kmem_cache *c, int gfp)
{
	struct page *page = alloc_page(m, gfp);
	struct slab *s;
	uint32_t i;

	if (!page)
		return NULL;
	page->flags |= PG_slab;
	page->lru.next = kaddr(m, c); /* as SET_PAGE_CACHE did */
	s = page_address(m, page);
	s->colouroff = 0;
	s->s_mem = kaddr(m, s) + header_size(c->num, c->align);
	s->inuse = 0;
	s->free = 0;
	for (i = 0; i < c->num; i++)
		bufctl(s)[i] = i + 1 < c->num ? i + 1 : BUFCTL_END;
	list_add(m, &s->list, &c->slabs_partial);
	c->nr_slabs++;
	return s;
}

/* A zeroed object, or NULL. */
void *kmem_cache_alloc(struct vmemu *m, int id, int gfp)
{
	struct kmem_cache *c = &m->k->caches[id];
	struct slab *s;
	void *object;

	if (!(gfp & GFP_ATOMIC))
		might_sleep(m, "allocating an object");
	if (list_empty(m, &c->slabs_partial)) {
		if (!slab_grow(m, c, gfp))
			return NULL;
	}
	s = ENTRY(m, c->slabs_partial.next, slab, list);
	object = host(m, s->s_mem + s->free * c->bufsize);
	s->free = bufctl(s)[s->free];
	s->inuse++;
	c->nr_active++;
	if (s->free == BUFCTL_END) {
		list_del(m, &s->list);
		list_add(m, &s->list, &c->slabs_full);
	}
	memset(object, 0, c->objsize);
	return object;
}

/* Is there an allocated object of this cache?  For callers to be distrusted. */
int kmem_cache_owns(struct vmemu *m, int id, kptr object)
{
	struct kmem_cache *c = &m->k->caches[id];
	kulong pfn = (object - PAGE_OFFSET) >> PAGE_SHIFT;
	struct page *page = m->mem_map + pfn;
	struct slab *s;
	uint32_t i;

	if (object < PAGE_OFFSET || pfn >= m->nr_frames ||
	    !(page->flags & PG_slab) || page->lru.next != kaddr(m, c))
		return 0;
	s = page_address(m, page);
	if (object < s->s_mem || (object - s->s_mem) % c->bufsize ||
	    (object - s->s_mem) / c->bufsize >= c->num)
		return 0;
	for (i = s->free; i != BUFCTL_END; i = bufctl(s)[i])
		if (i == (object - s->s_mem) / c->bufsize)
			return 0;
	return 1;
}

void kmem_cache_free(struct vmemu *m, int id, void *object)
{
	struct kmem_cache *c = &m->k->caches[id];
	struct page *page = virt_to_page(m, object);
	struct slab *s = page_address(m, page);
	uint32_t i;

	if (BUG_ON(m,
		   !(page->flags & PG_slab) || page->lru.next != kaddr(m, c)))
		return;
	i = (uint32_t)((kaddr(m, object) - s->s_mem) / c->bufsize);
	if (BUG_ON(m, i >= c->num || s->inuse == 0))
		return;
	memset(object, 0x6b, c->objsize); /* use after free shows at once */
	if (s->free == BUFCTL_END) {
		list_del(m, &s->list);
		list_add(m, &s->list, &c->slabs_partial);
	}
	bufctl(s)[i] = s->free;
	s->free = i;
	s->inuse--;
	c->nr_active--;
	if (s->inuse)
		return;
	list_del(m, &s->list);
	c->nr_slabs--;
	page->flags &= ~(kulong)PG_slab;
	page->lru.next = page->lru.prev = 0;
	free_page(m, page);
}
