"""The mutants: one wrong line each, and the test that must notice.

``old`` must stand in the file exactly ``times`` times.  ``test`` is what is run, one pytest
node or several; it passes without the mutation.
"""

from __future__ import annotations

from typing import NamedTuple

RANDOM = "tests/props/test_random.py::test_random_operations"
REGRESSIONS = "tests/props/test_regressions.py"
MERGES = "tests/unit/test_vma_merge.py"
SWAPOFF = "tests/unit/test_swap_area.py -k swapoff"
TLB = "tests/unit/test_tlb_contract.py::test_a_downgrade_makes_the_tlb_stale"
TIGHT = "tests/guests/test_guests_vmemu.py"
SHMEM = "tests/unit/test_shmem.py"
SCENARIOS = "tests/scenarios/test_scenarios.py::test_as_derived"


class Mutant(NamedTuple):
    """A textual change to one file.

    ``bug``: of a bug that a kernel has had, what mended it, or who tells of it.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    times: int = 1
    bug: str = ""


# Those that had to be caught from the start.
REQUIRED = [
    Mutant(
        "anonmm: mremap leaves page->index as it was",
        "csrc/rmap/anonmm.c",
        "\t\t\tpage->index = address;",
        "\t\t\t(void)address;",
        f"{RANDOM}[anonmm-roomy]",
        bug="70b671f8, undone",
    ),
    Mutant(
        "anon_vma: a split forgets to link the new half",
        "csrc/rmap/anon_vma.c",
        "\tif (tail(new)->anon_vma)\n\t\tlist_vma(m, new);",
        "",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "anonmm: no copy at swap-in when addresses clash",
        "csrc/rmap/anonmm.c",
        "\t\tif (page->index != address)\n\t\t\treturn -1;\n",
        "",
        REGRESSIONS,
        bug="70b671f8, undone",
    ),
    Mutant(
        "try_to_unmap leaves the TLB flush out",
        "csrc/rmap/rmap.c",
        "\t*pte = left;\n\tflush_tlb(m);",
        "\t*pte = left;",
        f"{TLB}[anon_vma-try_to_unmap]",
    ),
    Mutant(
        "reclaim flushes no TLB at all",
        "csrc/rmap/rmap.c",
        "flush_tlb(m)",
        "(void)m",
        f"{TIGHT} -k swap-storm",
        times=3,
    ),
    Mutant(
        "blocks of a recycled code frame are not dropped",
        "csrc/page/frame.c",
        "\t\t\tm->cpu_ops->remove_blocks(m, ENTRY(m, at, page, lru));\n",
        "\t\t\tcontinue;\n",
        "tests/unit/test_recycled_code.py",
    ),
]

RMAP = [
    Mutant(
        "pte_chain: the hole is left where it is, the first entry is lost",
        "csrc/rmap/pte_chain.c",
        "\t*entry = head->ptes[first_used(m, head)];\n",
        "\t*entry = first_used(m, head) ? *entry : 0;\n",
        "tests/unit/test_pte_chain.py -k model",
    ),
    Mutant(
        "pte_chain: an object that has become empty stays",
        "csrc/rmap/pte_chain.c",
        "\tif (i + 1 < pte_chain_slots(m)) {",
        "\tif (i < pte_chain_slots(m)) {",
        "tests/unit/test_pte_chain.py -k fork_takes",
    ),
    Mutant(
        "pte_chain: fork forgets what PG_direct said",
        "csrc/rmap/pte_chain.c",
        "\t\tc->ptes[--i] = *list_of(page);\n",
        "\t\ti--;\n",
        "tests/unit/test_pte_chain.py -k fork_takes",
    ),
    Mutant(
        "pte_chain: mremap leaves the old pte in the list",
        "csrc/rmap/pte_chain.c",
        "\t\t\t*entry = kaddr(m, to + i);",
        "\t\t\t(void)to;",
        "tests/unit/test_pte_chain.py -k mremap",
    ),
    Mutant(
        "pte_chain: what a path did not need is not given back",
        "csrc/rmap/pte_chain.c",
        "\tif (left)\n\t\tkmem_cache_free",
        "\tif (!left)\n\t\tkmem_cache_free",
        "tests/unit/test_pte_chain.py -k gives_back",
    ),
    Mutant(
        "pte_chain: page_referenced makes a list of two direct",
        "csrc/rmap/pte_chain.c",
        "first_used(m, c) == last && !next_of(m, c) ?",
        "!next_of(m, c) ?",
        "tests/unit/test_pte_chain.py -k direct_again",
    ),
    Mutant(
        "pte_chain: check() changes lists",
        "csrc/rmap/pte_chain.c",
        "\tif (search->walk == WALK_REFERENCED && !search->asked)",
        "\tif (search->walk == WALK_REFERENCED)",
        "tests/unit/test_pte_chain.py -k direct_again",
    ),
    Mutant(
        "pte_chain: a file's page that loses a pte keeps its entry",
        "csrc/rmap/rmap.h",
        "m->rmap->remove_pte && rmap_has(m, page)",
        "m->rmap->remove_pte && page->flags & PG_anon",
        "tests/unit/test_pte_chain_files.py -k listed",
    ),
    Mutant(
        "pte_chain: fork makes no entry for a file's page",
        "csrc/rmap/rmap.h",
        "m->rmap->dup_pte && rmap_has(m, page)",
        "m->rmap->dup_pte && page->flags & PG_anon",
        "tests/unit/test_pte_chain_files.py -k listed",
    ),
    Mutant(
        "pte_chain: mremap leaves the old pte in the list of a file's page",
        "csrc/rmap/pte_chain.c",
        "\t\t    !rmap_has(m, page))",
        "\t\t    !(page->flags & PG_anon))",
        "tests/unit/test_pte_chain_files.py -k whole_table",
    ),
    Mutant(
        "pte_chain: tmpfs gives a page that was mapped meanwhile a swap entry",
        "csrc/swap/cache.c",
        "return private_is_mapped(page) ? -1 : attach(m, page, entry);",
        "return attach(m, page, entry);",
        "tests/explore/test_file_chains.py -k shmem",
    ),
    Mutant(
        "pte_chain: a page of tmpfs that leaves the swap cache loses its list",
        "csrc/swap/cache.c",
        "\tif (!private_is_mapped(page))",
        "\tif (page)",
        "tests/explore/test_file_chains.py -k shmem",
    ),
    Mutant(
        "pte_chain: remap_file_pages brings no memory for a list",
        "csrc/mm/fremap.c",
        "if (m->rmap_files && !rmap_reserve(m, GFP_KERNEL))",
        "if (m->rmap_files && 0)",
        "tests/unit/test_pte_chain_files.py -k remap_file_pages_without",
    ),
    Mutant(
        "pte_chain: who asks is not told of what remove_pte() would look at",
        "csrc/rmap/pte_chain.c",
        "m->counter[CNT_rmap_chain_slots] += kept + 1;",
        "m->counter[CNT_rmap_chain_slots] += kept;",
        "tests/unit/test_who.py -k every_mapping_found",
    ),
    Mutant(
        "pte_chain: a walk skips the second object",
        "csrc/rmap/pte_chain.c",
        "\t\tnext = next_of(m, c);\n\t\tfor",
        "\t\tnext = 0;\n\t\tfor",
        "tests/unit/test_pte_chain.py -k looked_at",
    ),
    Mutant(
        "pte_chain: a new table does not say from where on it maps",
        "csrc/rmap/pte_chain.c",
        "\ttable->index = address;",
        "\t(void)address;",
        "tests/unit/test_pte_chain.py -k whose_a_table",
    ),
    Mutant(
        "anonmm: a walk stops after the page's own mm",
        "csrc/rmap/anonmm.c",
        "} while (more && a != own);",
        "} while (false);",
        SCENARIOS,
    ),
    Mutant(
        "anonmm: a dead mm stays in its anonmm",
        "csrc/rmap/anonmm.c",
        "\ttail(mm)->anonmm = 0;\n\ta->mm = 0;",
        "\ttail(mm)->anonmm = 0;",
        f"{RANDOM}[anonmm-roomy]",
    ),
    Mutant(
        "anonmm: pages are not counted",
        "csrc/rmap/anonmm.c",
        "\ta->count++;\n\treturn 0;",
        "\treturn 0;",
        f"{RANDOM}[anonmm-roomy]",
    ),
    Mutant(
        "anonmm: shared pages move without a copy",
        "csrc/rmap/anonmm.c",
        "alone = page->mapcount == 1;",
        "alone = true;",
        f"{RANDOM}[anonmm-roomy]",
        bug="70b671f8, undone",
    ),
    Mutant(
        "anonmm: a page migrates before all its ptes were found",
        "csrc/rmap/anonmm.c",
        "!own->mm && !search->left &&",
        "!own->mm &&",
        SCENARIOS,
    ),
    Mutant(
        "anon_vma: the list is in fork order",
        "csrc/rmap/anon_vma.c",
        "\tlist_add(m, &tail(vma)->anon_vma_node, &a->head);",
        "\tlist_add_tail(m, &tail(vma)->anon_vma_node, &a->head);",
        SCENARIOS,
    ),
    Mutant(
        "anon_vma: a forked vma is not linked",
        "csrc/rmap/anon_vma.c",
        "\tanon_vma_dup(m, new, old);",
        "\t(void)m, (void)new, (void)old;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "anon_vma: vmas with different ones may merge",
        "vmemu/rmap/anon_vma.py",
        "return other is None or not (",
        "return other is None or True or not (",
        MERGES,
    ),
    Mutant(
        "anon_vma: an empty one is not freed",
        "csrc/rmap/anon_vma.c",
        "\tif (empty)\n\t\tanon_vma_free(m, a);",
        "\t(void)empty;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "anon_vma: an area takes over pages, but not their anon_vma",
        "csrc/rmap/anon_vma.c",
        "\ttail(into)->anon_vma = tail(other)->anon_vma;\n",
        "",
        MERGES,
    ),
    Mutant(
        "anon_vma: no neighbour's is adopted",
        "vmemu/rmap/anon_vma.py",
        "if self.find_mergeable else None",
        "if False else None",
        SCENARIOS,
    ),
    Mutant(
        "try_to_unmap takes locked pages",
        "csrc/rmap/rmap.c",
        "return vma->vm_flags & (VM_LOCKED | VM_RESERVED);",
        "return vma->vm_flags & VM_RESERVED;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "try_to_unmap drops the dirty bit",
        "csrc/rmap/rmap.c",
        "\tif (old & _PAGE_DIRTY)\n\t\tset_page_dirty(m, page);",
        "\t(void)old;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "msync leaves what the CPU has in its TLB",
        "csrc/mm/present.h",
        "\tflush_tlb(m); /* or the CPU would not set the bits again */\n",
        "",
        "tests/conformance/test_stores.py::test_each_store_reaches_the_file[32-anon_vma-c]",
    ),
    Mutant(
        "munmap of a shared area loses what was written",
        "csrc/mm/zap.c",
        "\telse\n\t\tset_page_dirty(m, page);",
        "\t(void)m;",
        "tests/unit/test_shared_files.py::test_only_a_dirty_page_is_written[anon_vma]",
    ),
    Mutant(
        "a page is written behind the end of its file",
        "csrc/file/hostfile.c",
        "size - at < PAGE_SIZE ? (size_t)(size - at) : PAGE_SIZE",
        "PAGE_SIZE",
        "tests/unit/test_shared_files.py::test_nothing_is_written_behind_the_end[anon_vma]",
    ),
    Mutant(
        "a file that is cut keeps what its last page had",
        "csrc/file/truncate.c",
        "\tif (!at || beyond(old))\n",
        "\tif (1)\n",
        "tests/unit/test_file_io.py::test_what_is_cut_off_is_gone_everywhere",
    ),
    Mutant(
        "try_to_unmap does not count the swap entry",
        "csrc/rmap/rmap.c",
        "BUG_ON(m, swap_duplicate(m, page->private));",
        "",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "try_to_unmap forgets rss",
        "csrc/rmap/rmap.c",
        "\trss_sub(m, mm, 1);",
        "",
        f"{RANDOM}[anonmm-roomy]",
    ),
    Mutant(
        "fork does not raise mapcount",
        "csrc/rmap/rmap.h",
        "BUG_ON(m, !page->mapcount++);",
        "BUG_ON(m, !page->mapcount);",
        f"{RANDOM}[anon_vma-roomy]",
    ),
]

PAGES = [
    Mutant(
        "a closed machine's RAM is kept as it was",
        "csrc/core/ram.c",
        "\tmemset(place, 0, written);\n",
        "",
        "tests/unit/test_kept_ram.py",
    ),
    Mutant(
        "a frame that is handed out does not count as written",
        "csrc/page/frame.c",
        "\t\tm->pages.handed_out = pfn_of(m, page) + 1;\n",
        "\t\tm->pages.handed_out = pfn_of(m, page);\n",
        "tests/unit/test_kept_ram.py",
    ),
    Mutant(
        "the RAM that is kept stays at its old addresses, too",
        "csrc/core/ram.c",
        "MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP",
        "MREMAP_MAYMOVE | MREMAP_FIXED",
        "tests/unit/test_kept_ram.py",
    ),
    Mutant(
        "the RAM that is kept serves machines of any size",
        "csrc/core/ram.c",
        "\tif (kept->size != size) {",
        "\tif (kept->size < size) {",
        "tests/unit/test_kept_ram.py",
    ),
    Mutant(
        "fork leaves the parent's ptes writable",
        "csrc/mm/fork.c",
        "*src = pte &= c->kept.parent;",
        "pte &= c->kept.parent;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "fork does not flush",
        "csrc/mm/fork.c",
        "\tflush_tlb(m);\n\tfor_each_table(m, src, at, end, from, nr)",
        "\tfor_each_table(m, src, at, end, from, nr)",
        f"{TLB}[anon_vma-fork]",
    ),
    Mutant(
        "fork does not count swap entries",
        "csrc/mm/fork.c",
        "BUG_ON(m, swap_duplicate(m, pte_to_swp_entry(pte)));",
        "",
        f"{RANDOM}[anonmm-roomy]",
    ),
    Mutant(
        "munmap does not flush",
        "csrc/mm/zap.c",
        "\tflush_tlb(m);\n\tflush_gather(m, gather);",
        "\tflush_gather(m, gather);",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "munmap leaves pages in the swap cache",
        "csrc/mm/zap.c",
        "\tgather->flags |= page->flags;",
        "",
        "tests/unit/test_munmap.py",
    ),
    Mutant(
        "munmap gives another anonmm's pages back to the last one",
        "csrc/rmap/rmap.h",
        "\t\tput_orphans(m, batch);\n\t\tbatch->mapping",
        "\t\tbatch->mapping",
        "tests/unit/test_munmap.py",
    ),
    Mutant(
        "munmap does not lower the number of mapped frames",
        "csrc/rmap/rmap.h",
        "\tm->pages.nr_mapped -= batch->unmapped;",
        "",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "munmap counts no page_map_lock when nobody watches",
        "csrc/mm/zap.c",
        "acquired += gather->rss - rss;",
        "acquired += 0 * rss;",
        "tests/guests/test_fault_paths.py",
    ),
    Mutant(
        "mremap passes a page by that has to be copied",
        "csrc/rmap/anonmm.c",
        "\t\tif (!alone)\n\t\t\tbreak;\n",
        "",
        f"{RANDOM}[anonmm-small]",
    ),
    Mutant(
        "a larger TLB is waited for without end",
        "csrc/cpu/tlb.c",
        "\t\tgrow_tlb(m);\n",
        "\t\t(void)grow_tlb;\n",
        "tests/conformance/test_unicorn_tlb.py",
    ),
    Mutant(
        "the zero page is mapped writable",
        "csrc/mm/fault.c",
        "ZERO_PAGE_PFN,\n\t\t\t       vma->vm_page_prot);",
        "ZERO_PAGE_PFN,\n\t\t\t       vma->vm_page_prot | _PAGE_RW);",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a fresh page is not cleared",
        "csrc/mm/fault.c",
        "page = alloc_page(m, GFP_ZERO);",
        "page = alloc_page(m, GFP_KERNEL);",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a copy on write copies nothing",
        "csrc/mm/fault.c",
        "\t\tmemcpy(page_address(m, page), page_address(m, old), PAGE_SIZE);",
        "\t\t(void)old;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a copy on write does not flush",
        "csrc/mm/fault.c",
        "\tif (!m->fault.in_hook || page_executed(old))\n\t\tflush_tlb(m);\n",
        "",
        f"{TLB}[anon_vma-copy on write]",
    ),
    Mutant(
        "swap-in keeps the slot's count",
        "csrc/mm/fault.c",
        "\tswap_free(m, entry);\n\tif (vm_swap_full(m))",
        "\tif (vm_swap_full(m))",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a shared slot's page is written in place",
        "csrc/swap/cache.c",
        "return page->_count == 2 && swap_count(m, page->private) == 1;",
        "return page->_count == 2;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "mprotect does not flush",
        "csrc/mm/mprotect.c",
        "\tflush_tlb(m);\n",
        "",
        f"{TLB}[anon_vma-mprotect]",
    ),
    Mutant(
        "mprotect loses the dirty bit",
        "csrc/mm/mprotect.c",
        "PAGE_MASK | _PAGE_ACCESSED | _PAGE_WRITTEN;",
        "PAGE_MASK | _PAGE_ACCESSED | _PAGE_SOFT_DIRTY;",
        f"{RANDOM}[anon_vma-small]",
    ),
    Mutant(
        "mprotect leaves pages writable",
        "csrc/mm/mprotect.c",
        "PAGE_MASK | _PAGE_ACCESSED | _PAGE_WRITTEN;",
        "PAGE_MASK | _PAGE_ACCESSED | _PAGE_WRITTEN | _PAGE_RW;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "mremap leaves the old pte",
        "csrc/mm/mremap.c",
        "\tset_pte(m, src, 0);",
        "",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "unused page tables are not freed",
        "csrc/mm/pgtable.c",
        "\t\tif (!(table[i] & _PAGE_PRESENT))\n\t\t\tcontinue;",
        "\t\tcontinue;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "an executed frame is free at once",
        "csrc/page/frame.c",
        "\tif (page_executed(page)) {\n\t\tpage->flags = PG_arch_1;",
        "\tif (false) {\n\t\tpage->flags = PG_arch_1;",
        "tests/unit/test_recycled_code.py",
    ),
    Mutant(
        "the kernel writes to code and drops no block",
        "csrc/page/frame.c",
        "\tif (m->cpu_ops)\n\t\tm->cpu_ops->remove_blocks(m, page);\n\tpage->flags",
        "\tpage->flags",
        "tests/conformance/test_unicorn_code.py",
    ),
    Mutant(
        "a system call that writes to code does not say so",
        "csrc/mm/uaccess.c",
        "\t\t\tif (page_executed(page))\n\t\t\t\tcode_written(m, page);",
        "",
        "tests/unit/test_recycled_code.py",
    ),
    Mutant(
        "another process runs with the last one's TLB",
        "csrc/cpu/state.c",
        "\t\tm->current_mm = mm;\n\t\tm->tlb.stale = 1;",
        "\t\tm->current_mm = mm;",
        f"{TIGHT} -k fork-server",
    ),
    Mutant(
        "a store through the TLB does not set the dirty bit",
        "csrc/cpu/tlb.c",
        "\t\t*pte |= _PAGE_ACCESSED | _PAGE_WRITTEN;",
        "\t\t*pte |= _PAGE_ACCESSED | _PAGE_SOFT_DIRTY;",
        "tests/conformance/test_unicorn_tlb.py",
    ),
    Mutant(
        "the engine is told of exits while it takes none",
        "csrc/cpu/exits.c",
        "\tcpu_exits_on(m); /* else it would not listen */\n",
        "",
        "tests/conformance/test_unicorn_exits.py -k own_page",
    ),
    Mutant(
        "a TLB entry filled by a load lets stores through",
        "csrc/cpu/tlb.c",
        "\t\tif ((*pte & (_PAGE_RW | _PAGE_DIRTY)) ==\n\t\t\t    (_PAGE_RW | _PAGE_DIRTY) &&",
        "\t\tif (*pte & _PAGE_RW &&",
        "tests/conformance/test_unicorn_tlb.py",
    ),
    Mutant(
        "a load that goes on to write is two faults when nobody asks",
        "csrc/cpu/insn.c",
        "\treturn !read_modify_write(&insn);",
        "\treturn true;",
        "tests/conformance/test_faults_decided.py",
    ),
]

SWAP = [
    Mutant(
        "swapoff gives slots up that ptes still hold",
        "csrc/swap/area.c",
        "if (!(page->flags & PG_swapcache) || swap_count(m, page->private) != 1)",
        "if (!(page->flags & PG_swapcache))",
        SWAPOFF,
    ),
    Mutant(
        "swapoff skips the last page of an area",
        "csrc/swap/area.c",
        "for_each_table(m, mm, at, vma->vm_end, pte, nr)",
        "for_each_table(m, mm, at, vma->vm_end - PAGE_SIZE, pte, nr)",
        SWAPOFF,
    ),
    Mutant(
        "swapoff does not look again",
        "vmemu/swap/area.py",
        "attempts = _ATTEMPTS if left < slots else attempts - 1",
        "attempts = 0",
        SWAPOFF,
    ),
    Mutant(
        "swapoff keeps the count of the entry it replaces",
        "csrc/swap/area.c",
        "_PAGE_SOFT_DIRTY);\n\tswap_free(m, entry);",
        "_PAGE_SOFT_DIRTY);\n\t(void)entry;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a slot is handed out twice",
        "csrc/swap/area.c",
        "\t*swap_map(m, si, offset) = 1;\n\tsi->inuse++;",
        "\tsi->inuse++;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "pages go out to the slot next door",
        "csrc/swap/io.c",
        "off_t at = (off_t)swp_offset(entry) << PAGE_SHIFT;",
        "off_t at = (off_t)(swp_offset(entry) + write) << PAGE_SHIFT;",
        f"{TIGHT} -k 'swap-storm and anonmm'",
    ),
    Mutant(
        "a frame is given away while its old contents wait to be written",
        "csrc/page/frame.c",
        "\tif (unlikely(m->swap.writes.n))\n\t\tswap_write_flush(m);\n",
        "",
        f"{TIGHT} -k 'swap-storm and anonmm'",
    ),
]

AREAS = [
    Mutant(
        "a split forgets vm_pgoff",
        "csrc/mm/vma.c",
        "\t\tvma->vm_pgoff += (start - vma->vm_start) >> PAGE_SHIFT;",
        "\t\t(void)m;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "growing down forgets vm_pgoff",
        "csrc/mm/vma.c",
        "\t\tvma->vm_pgoff -= (vma->vm_start - start) >> PAGE_SHIFT;",
        "\t\t(void)m;",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "find_vma trusts a vma that is gone",
        "csrc/mm/vma.c",
        "\tif (mm->mmap_cache == kaddr(m, vma))\n\t\tmm->mmap_cache = 0;\n",
        "",
        REGRESSIONS,
    ),
    Mutant(
        "brk shrinks without unmapping",
        "vmemu/mm/mmap.py",
        "            if new < old:\n                munmap_locked(mm, new, old - new)",
        "            pass",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "munmap keeps the promise",
        "vmemu/mm/mmap.py",
        "        mm.vm.commit.unacct(pages)\n    mm.vm.rmap.vma_free(vma)",
        "        pass\n    mm.vm.rmap.vma_free(vma)",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "mprotect forgets what lies behind the first area",
        "vmemu/mm/mprotect.py",
        "        start = max(stop, prev.vm_end)\n        if start >= end:\n            break",
        "        start = max(stop, prev.vm_end)\n        break",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "areas merge whatever their rights",
        "vmemu/mm/vma.py",
        "if low.vm_flags != high_flags or low.vm_file != high_file:",
        "if low.vm_file != high_file:",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "offsets do not matter to merging",
        "vmemu/mm/vma.py",
        "    return joined == high_pgoff & mm.core.mask",
        "    return True",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "MREMAP_FIXED does not unmap what is there",
        "vmemu/mm/mremap.py",
        "        munmap_locked(mm, new, new_length)\n    if old_length >= new_length:",
        "    if old_length >= new_length:",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "mremap loses pages when it cannot split",
        "vmemu/mm/mremap.py",
        "    with contextlib.suppress(Errno):  # no memory to split it: it stays, empty\n"
        "        munmap_locked(mm, old, old_length)",
        "    munmap_locked(mm, old, old_length)",
        "tests/unit/test_mm_no_memory.py",
    ),
    Mutant(
        "MADV_DONTNEED throws locked pages away",
        "vmemu/mm/madvise.py",
        " and vma.vm_flags & (lib.VM_LOCKED | lib.VM_RESERVED):",
        " and vma.vm_flags & lib.VM_RESERVED:",
        "tests/unit/test_madvise.py",
    ),
    Mutant(
        "mlock brings nothing in",
        "vmemu/mm/mlock.py",
        "if on and not m.watch.mutations & lib.MUTATE_a:",
        "if False:",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "fork inherits locks",
        "csrc/mm/fork.c",
        "\tnew->vm_flags &= ~(kulong)(VM_LOCKED | VM_LOCKONFAULT);\n",
        "",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "a growing stack is charged without being accounted",
        "vmemu/mm/fault.py",
        "            if vma.vm_flags & lib.VM_ACCOUNT:\n                self._commit.acct",
        "            if True:\n                self._commit.acct",
        REGRESSIONS,
    ),
]

LIMITS = [
    Mutant(
        "slabs have no room for their bufctls",
        "csrc/page/slab.c",
        "align_up((uint32_t)sizeof(struct slab) + num * 4, align);",
        "align_up((uint32_t)sizeof(struct slab) + num * 2, align);",
        "tests/unit/test_structs.py",
    ),
    Mutant(
        "ordinary allocations take the reserve",
        "csrc/page/frame.c",
        "gfp & GFP_ATOMIC ? zone->pages_min / 2 :",
        "gfp != 77 ? zone->pages_min / 2 :",
        "tests/unit/test_limits.py",
    ),
    Mutant(
        "fork promises nothing",
        "csrc/mm/fork.c",
        "if (account && vm_enough_memory(m, vma_pages(vma)))",
        "if (account && vma_pages(vma) == 0)",
        f"{RANDOM}[anon_vma-strict]",
    ),
    Mutant(
        "mprotect gives an area its flags, but not when it is all of one",
        "vmemu/mm/mprotect.py",
        "    mm.core.lib.vma_set_flags(m, vma, flags)",
        "    if merged is None:\n        mm.core.lib.vma_set_flags(m, vma, flags)",
        MERGES,
    ),
    Mutant(
        "brk grows over what is there",
        "vmemu/mm/mmap.py",
        "    if vma is not None and vma.vm_start < new + PAGE_SIZE:\n        return int(ptr.brk)",
        "    del vma",
        f"{RANDOM}[anon_vma-roomy]",
    ),
    Mutant(
        "mincore says that everything is in memory",
        "vmemu/mm/madvise.py",
        "= _page_resident(mm, address)",
        "= True",
        "tests/unit/test_madvise.py",
    ),
    Mutant(
        "RLIMIT_AS does not count what is mapped already",
        "vmemu/mm/mm.py",
        "if (self.ptr.total_vm + pages) << PAGE_SHIFT > self.rlimits.as_:",
        "if pages << PAGE_SHIFT > self.rlimits.as_:",
        "tests/unit/test_limits.py",
    ),
    Mutant(
        "MCL_FUTURE does not last",
        "vmemu/mm/mlock.py",
        "mm.ptr.def_flags = locked if flags & MCL_FUTURE else 0",
        "mm.ptr.def_flags = 0",
        f"{RANDOM}[anon_vma-roomy] tests/unit/test_mlock.py",
    ),
]

BUGS = "tests/explore/test_rmap_bugs.py"
PAGE_INSIDE = (
    "\tlock_page(m, page);\n\tptl_lock(m, mm);\n\tvma = still_there(m, mm, address, orig);\n"
    "\tif (vma) {\n\t\tclash"
)
SEM_INSIDE = (
    "\tif (!m->rmap->locks_vma_tree)\n\t\tup_read(m, mm);\n\tlock_page(m, page);\n"
    "\tif (!m->rmap->locks_vma_tree)\n\t\tdown_read(m, mm);\n"
) + PAGE_INSIDE.partition("\n")[2]

# Orders that went wrong once.  What a path does outside the lock is announced, so that the
# explorer lets another one come in between.
RACES = [
    Mutant(
        "anon_vma: a neighbour's is adopted without its lock",
        "csrc/rmap/anon_vma.c",
        "\t\tanon_vma_link(m, vma);\n\t}",
        "\t\tif (list_empty(m, &a->head))\n\t\t\tanon_vma_link(m, vma);\n"
        "\t\telse\n\t\t\tlist_vma(m, vma);\n\t}",
        f"{BUGS} -k 'adopts and ends_well and anon_vma'",
        bug="51ba08b2",
    ),
    Mutant(
        "swapoff takes mmap_sem inside a page's lock: the order of locks",
        "csrc/swap/area.c",
        PAGE_INSIDE,
        SEM_INSIDE,
        f"{BUGS} -k 'brings-back and anon_vma'",
        bug="b7ae29f5",
    ),
    Mutant(
        "swapoff takes mmap_sem inside a page's lock: the deadlock",
        "csrc/swap/area.c",
        PAGE_INSIDE,
        SEM_INSIDE,
        f"{BUGS} -k 'unwatched and anon_vma'",
        bug="b7ae29f5",
    ),
    Mutant(
        "anonmm: a head goes by a count that was read outside its lock",
        "csrc/rmap/anonmm.c",
        "\tlast = head->count == 1;\n\tspin_unlock(m, LOCK_rmap, &head->lock);\n",
        "\ttouch(m, STEP_write, &head->count);\n\tspin_unlock(m, LOCK_rmap, &head->lock);\n"
        "\tshared(m, STEP_read, &head->count);\n\tlast = head->count == 1;\n"
        "\tif (last)\n\t\tshared(m, STEP_write, &head->count);\n",
        f"{BUGS} -k 'all-end and anonmm'",
        bug="mended on the way to e1fd9cc9",
    ),
]

CHAIN = "tests/unit/test_anon_vma_chain.py"

# Of anon_vma_chain and anon_vma_degree.
CHAINS = [
    Mutant(
        "anon_vma_chain: a neighbour's anon_vma is adopted without its ancestors",
        "vmemu/rmap/anon_vma_chain.py",
        "            if self._singular(other):",
        "            if self.object_of(other):",
        f"{CHAIN} -k not_adopted",
        bug="d0e9fe17",
    ),
    Mutant(
        "anon_vma_chain: areas with unequal chains merge",
        "vmemu/rmap/anon_vma_chain.py",
        "            return mine == its",
        "            return True",
        f"{MERGES} -k one_object",
        bug="965f55de",
    ),
    Mutant(
        "anon_vma_chain: a forked area merges with an unwritten one",
        "vmemu/rmap/anon_vma_chain.py",
        "        return self._singular(vma if mine else other)",
        "        return True",
        f"{CHAIN} -k does_not_grow",
        bug="965f55de",
    ),
    Mutant(
        "anon_vma_chain: a page from swap is the reader's alone",
        "csrc/rmap/anon_vma_chain.c",
        "page->mapping = how == ADD_BACK ? anon_vma_at(m, own)->root : own;",
        "page->mapping = own;",
        f"{CHAIN} -k from_swap",
        bug="2.6.34-rc4, LWN 383162",
    ),
    Mutant(
        "anon_vma_chain: a write takes no page over",
        "csrc/rmap/anon_vma_chain.c",
        "\tpage->mapping = tail(vma)->anon_vma;\n",
        "",
        f"{CHAIN} -k takes_the_page",
    ),
    Mutant(
        "anon_vma_chain: a copy of a chain lacks the first link",
        "csrc/rmap/anon_vma_chain.c",
        "\tfor (k = from->prev; k != head;",
        "\tfor (k = from->prev; k != head && k != from->next;",
        f"{RANDOM}[anon_vma_chain-roomy]",
    ),
    Mutant(
        "anon_vma_chain: children come before their parents",
        "csrc/rmap/anon_vma_chain.c",
        "\telse if (front)\n",
        "\telse if (!front)\n",
        SCENARIOS + "[fork-server]" + f" {CHAIN} -k parents_come",
    ),
    Mutant(
        "anon_vma_chain: each anon_vma has a lock (before 2.6.36)",
        "csrc/rmap/anon_vma_chain.c",
        "\t\tanon_vma_at(m, anon_vma_at(m, anon_vma)->root);\n\n\tspin_lock",
        "\t\tanon_vma_at(m, anon_vma);\n\n\tspin_lock",
        f"{RANDOM}[anon_vma_chain-roomy]",
    ),
    Mutant(
        "anon_vma_chain: a fork without memory keeps its links",
        "csrc/rmap/anon_vma_chain.c",
        "\tavc_unlink(m, new);\n\treturn -1;",
        "\treturn -1;",
        f"{CHAIN} -k runs_out_anywhere",
    ),
    Mutant(
        "anon_vma_chain: the root's anon_vma is not freed",
        "csrc/rmap/anon_vma_chain.c",
        "\tif (last)\n\t\tfree_anon_vma(m, root);",
        "\t(void)last;",
        f"{RANDOM}[anon_vma_chain-roomy]",
    ),
    Mutant(
        "anon_vma_degree: users and children are one number",
        "csrc/rmap/anon_vma_chain.c",
        "degree->num_children < 2 && !degree->num_active_vmas",
        "degree->num_children + degree->num_active_vmas < 2",
        f"{CHAIN} -k nobody_adopts",
        bug="7a3ef208, mended in 2022",
    ),
    Mutant(
        "anon_vma_degree: a child that is gone still counts",
        "csrc/rmap/anon_vma_chain.c",
        "->num_children--;",
        "->num_children += 0;",
        f"{CHAIN} -k two_children",
    ),
    Mutant(
        "interval tree: a vma stays where it was when its range changes",
        "csrc/rmap/anon_vma_chain.c",
        "\tif (!has_trees(m) || !avc_first(m, vma))\n\t\treturn;",
        "\treturn;",
        f"{RANDOM}[anon_vma_degree-roomy]",
    ),
    Mutant(
        "interval tree: what is above does not hear of a node that goes",
        "csrc/base/interval_tree.c",
        "\tfor (k = parent; k; k = parent_of(m, tree, k))\n\t\tupdate_last(m, tree, k);\n",
        "\t(void)k;\n",
        f"{CHAIN} -k at_random",
    ),
    Mutant(
        "interval tree: offsets do not wrap around",
        "csrc/base/interval_tree.c",
        "return i.last < i.start ? (struct interval){ 0, ~(kulong)0 } : i;",
        "return i;",
        f"{CHAIN} -k wrap_around",
    ),
    Mutant(
        "mremap: written memory merges with an area without pages, and leaves its object",
        "vmemu/mm/vma.py",
        "    if anon_from is not None and not rmap.vma_absorb(vma, anon_from):",
        "    if False:",
        f"{MERGES} -k moves_back",
    ),
]

CONTEXTS = "tests/unit/test_cow_context.py"

CONTEXT = [
    Mutant(
        "cow_context: a walk that is only asked gives the page away",
        "csrc/rmap/cow_context.c",
        "c) != page->mapping && !search->asked) {",
        "c) != page->mapping && (!search->asked || c)) {",
        "tests/unit/test_who.py -k changes_nothing",
    ),
    Mutant(
        "cow_context: who only asks does not see that somebody has the lock",
        "csrc/rmap/cow_context.c",
        "\t\treturn mm->page_table_lock & 1;\n",
        "\t\treturn false;\n",
        "tests/unit/test_who.py -k busy",
    ),
    Mutant(
        "cow_context: an entry with a smaller offset overwrites the next",
        "csrc/rmap/cow_remap.c",
        "\tappend_range(m, &draft, first, to + new_pages, (kulong)-1);\n\treturn publish",
        "\t{\n\t\tstruct cow_remap *node;\n\t\tstruct cow_remap_entry *e;\n\t\tint next = 1;\n\n"
        "\t\tfor_each_remap(m, first, node, e)\n"
        "\t\t\tif (e->start >= to + new_pages && next-- <= 0)\n"
        "\t\t\t\tappend(m, &draft, e->start, e->end, e->offset);\n\t}\n"
        "\treturn publish",
        f"{CONTEXTS} -k moved_before",
        bug="cow_context's proof of concept, 2026",
    ),
    Mutant(
        "cow_context: fork leaves pages exclusive",
        "csrc/rmap/cow_context.c",
        "\ttouch(m, STEP_write, &page->flags);\n\tpage->flags &= ~(kulong)PG_exclusive;\n",
        "\t(void)m, (void)page;\n",
        f"{CONTEXTS} -k all_share",
    ),
    Mutant(
        "cow_context: a walk stops after the page's own context",
        "csrc/rmap/cow_context.c",
        "c = next_below(m, own, c);",
        "c = w.page ? NULL : next_below(m, own, c);",
        f"{RANDOM}[cow_context-roomy]",
    ),
    Mutant(
        "cow_context: a shared page that comes back is its reader's",
        "csrc/rmap/cow_context.c",
        "alone = comes_back_alone(m, page);",
        "alone = comes_back_alone(m, page) || true;",
        f"{RANDOM}[cow_context-roomy]",
    ),
    Mutant(
        "cow_context: what is unmapped stays in the map",
        "csrc/rmap/cow_remap.c",
        "\tif (low == high || !any_in(m, first, low, high))\n\t\treturn;\n",
        "\treturn;\n",
        f"{CONTEXTS} -k entries_go",
    ),
    Mutant(
        "cow_context: fork does not copy the map",
        "csrc/rmap/cow_remap.c",
        "\tif (!any_in(m, parents, low, high))\n\t\treturn 0;\n",
        "\treturn 0;\n",
        f"{RANDOM}[cow_context-roomy]",
    ),
    Mutant(
        "cow_context: a place is taken though the child has a page",
        "csrc/rmap/cow_context.c",
        "\tif (has_page(m, child))\n\t\tgoto out;\n",
        "\tif (has_page(m, child) && false)\n\t\tgoto out;\n",
        f"{CONTEXTS} -k endless",
    ),
    Mutant(
        "cow_context: a walk does not count itself",
        "csrc/rmap/cow_context.c",
        "\town->refcount++; /* the last pte's going must not free it under the lock */\n",
        "\town->refcount += 0;\n",
        f"{RANDOM}[cow_context-roomy]",
    ),
]


NONLINEAR = "tests/unit/test_nonlinear.py"
EXPLORED = "tests/explore/test_catalogue.py::test_catalogue -k"
FILES = [
    Mutant(
        "mremap: i_mmap_lock is not held over the move of a file's ptes",
        "csrc/mm/mremap.c",
        "\tif (vma->vm_file)\n\t\tspin_",
        "\tif (false)\n\t\tspin_",
        f"{EXPLORED} truncate-vs-mremap",
        times=2,
        bug="mended on the way to e1fd9cc9",
    ),
    Mutant(
        "a fault does not look whether the file was cut meanwhile",
        "csrc/mm/fault.c",
        "\tif (mapping->truncate_count != sequence) {",
        "\tif (false && mapping->truncate_count != sequence) {",
        f"{EXPLORED} truncate-vs-fault",
    ),
    Mutant(
        "a cached page behind the file's end is mapped",
        "csrc/file/filemap.c",
        "\tif (!still_within(m, mapping, index)) {",
        "\tif (false && !still_within(m, mapping, index)) {",
        f"{EXPLORED} truncate-vs-fault",
    ),
    Mutant(
        "nonlinear areas: mutation c is what 2.6 has",
        "csrc/rmap/rmap.c",
        "\treturn !(m->watch.mutations & MUTATE_b) &&\n\t       !(vma->vm_flags & VM_NONLINEAR);",
        "\t(void)vma;\n\treturn !(m->watch.mutations & MUTATE_b);",
        "tests/explore/test_catalogue.py -k nonlinear",
    ),
    Mutant(
        "nonlinear areas: a pte does not keep which page it was",
        "csrc/mm/mm.h",
        "\treturn vma->vm_flags & VM_NONLINEAR &&",
        "\treturn false && vma->vm_flags & VM_NONLINEAR &&",
        f"{NONLINEAR} -k comes_back",
    ),
    Mutant(
        "nonlinear areas: truncate does not look at them",
        "csrc/file/truncate.c",
        "\t\tzap_nonlinear(m, vma, vma->vm_start, vma->vm_end, first, last);",
        "\t\tif (false)\n\t\t\tzap_nonlinear(m, vma, vma->vm_start, vma->vm_end, first, last);",
        f"{NONLINEAR} -k cut",
    ),
    Mutant(
        "nonlinear areas: the next sweep begins where the last did",
        "csrc/rmap/nonlinear.c",
        "\tvma->vm_private_data = from + CLUSTER_SIZE;\n",
        "\tvma->vm_private_data = from;\n",
        f"{NONLINEAR} -k in_turn",
    ),
    Mutant(
        "prio_tree: an area stays where it was when its range changes",
        "csrc/file/i_mmap_prio_tree.c",
        "\t.by_range = 1,\n",
        "",
        "tests/unit/test_i_mmap_structures.py -k random",
    ),
    Mutant(
        "shmem: a page goes to swap without being written",
        "csrc/file/shmem.c",
        "\tpage->flags |= PG_dirty;\n\tremove_from_page_cache(m, page);",
        "\tremove_from_page_cache(m, page);",
        f"{SHMEM} -k comes_back",
    ),
    Mutant(
        "shmem: a file keeps its share of a slot that it has read",
        "csrc/file/shmem.c",
        "\tswap_free(m, entry);\n\tpage->flags |= PG_dirty;",
        "\t(void)entry;\n\tpage->flags |= PG_dirty;",
        f"{SHMEM} -k comes_back",
    ),
    Mutant(
        "shmem: swapoff forgets what files have in swap",
        "vmemu/swap/area.py",
        "if self.core.lib.shmem_unuse(m, area.kind) or killed():",
        "if killed():",
        f"{SHMEM} -k swapoff",
    ),
    Mutant(
        "shmem: a hole takes private copies away",
        "csrc/file/shmem_io.c",
        "\tunmap_mapping_range(m, mapping, from, to, to_end);",
        "\tunmap_mapping_range(m, mapping, from, to, true);",
        f"{SHMEM} -k private",
    ),
    Mutant(
        "shmem: a page that reclaim drops is still charged for",
        "csrc/file/shmem.c",
        "\t.removed = shmem_recalc_inode,\n",
        "",
        f"{SHMEM} -k hole",
    ),
    Mutant(
        "prio_tree: the first of a vm_set does not rise",
        "csrc/file/i_mmap_prio_tree.c",
        "\t\tset_rise(m, root, k);\n",
        "\t\t(void)set_rise;\n\t\ttree_remove(m, root, k);\n",
        "tests/unit/test_i_mmap_structures.py -k fork",
    ),
    Mutant(
        "prio_tree: a search does not look at what begins with the page",
        "csrc/file/i_mmap_prio_tree.c",
        "\tif (!k || begin > iter->last)\n",
        "\tif (!k || begin >= iter->last)\n",
        "tests/unit/test_i_mmap_structures.py -k random",
    ),
    Mutant(
        "lists: a walk does not go on to the shared areas",
        "csrc/file/i_mmap_list.c",
        "\t\titer->at = shared->next;\n",
        "\t\treturn NULL;\n",
        "tests/scenarios/test_i_mmap.py -k one_task",
    ),
]


MUTANTS = [*REQUIRED, *RMAP, *RACES, *CONTEXT, *PAGES, *SWAP, *AREAS, *LIMITS, *CHAINS, *FILES]
