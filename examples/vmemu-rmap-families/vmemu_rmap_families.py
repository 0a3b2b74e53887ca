"""A reverse map for vmemu: one index of areas for each family of processes.

Between anonmm and anon_vma: as in the first, a page belongs to a family, that is what fork
made of one exec, and there is no object for each area and its children; as in the second, a
page has an offset, so that mremap may move it.  The family's areas stand in one index, by
offset; a walk looks up those that may have the page.

It costs a word in each mm and vma, two words for each family, and three for each area that
has been written.  It is bad at many processes of one family, which are all tried.
"""

from bisect import bisect_left, insort

from vmemu.rmap.python import Candidate, PythonScheme, Rejected, Words


class Families(PythonScheme):
    """Areas by family and offset; what stands in the index weighs three words each."""

    name = "families"
    summary = "an example of a plug-in: one index of areas for each family of processes"
    objects = {"family": Words(2), "family_area": Words(3)}
    vma_bytes = Words(1)  # its family_area
    mm_bytes = Words(1)  # its family: how many mms it has is the family's first word
    anon_pgoff_matters = True
    predictions = {
        "fork-server": {
            "unmap_probes": ("R * N * (N + 3) // 2", "child i stands behind i - 1 and the parent"),
        }
    }

    def __init__(self, core):
        super().__init__(core)
        self.index = {}  # by family: of each area its offset, when it came, its kptr
        self.longest = {}  # by family: pages of the longest area there was
        self.entries = {}  # by area: its family, and what stands there
        self.clock = [0]  # a list, so that the explorer takes it back, too

    def mm_init(self, mm):
        family = self.allocate("family", wait=True)
        if not family:
            return False
        self.index[family], self.longest[family] = [], 0
        return self._join(mm, family)

    def mm_dup(self, child, parent):
        return self._join(child, self.mm_words(parent)[0])

    def _join(self, mm, family):
        self.mm_words(mm)[0] = family
        self.words(family)[0] += 1
        return True

    def mm_exit(self, mm):
        family = self.mm_words(mm)[0]
        self.words(family)[0] -= 1
        if not self.words(family)[0]:
            del self.index[family], self.longest[family]
            self.free(family)

    def prepare(self, mm, vma):
        if self.has_anon(vma):
            return True
        node = self.allocate("family_area", wait=True)
        if node and self.has_anon(vma):  # a fault of another thread was faster
            self.free(node)
        elif node:
            self._enter(vma, node)
        return node != 0

    def vma_dup(self, new, old):
        return self.vma_clone(new, old) and self.vma_split(new, old)

    def vma_clone(self, new, old):
        node = self.allocate("family_area") if self.has_anon(old) else 0
        self.vma_words(new)[0] = node
        return bool(node) == self.has_anon(old)

    def vma_split(self, new, old):
        if self.has_anon(new):
            self._enter(new, self.vma_words(new)[0])

    def vma_absorb(self, into, other):
        return not self.has_anon(other) or self.prepare(None, into)

    def vma_free(self, vma):
        if self.has_anon(vma):
            self._leave(vma)
            self.free(self.vma_words(vma)[0])
            self.vma_words(vma)[0] = 0

    def has_anon(self, vma):
        return self.vma_words(vma)[0] != 0

    def range_changes(self, vma):
        if self.has_anon(vma):
            self._leave(vma)

    def range_changed(self, vma):
        if self.has_anon(vma):
            self._enter(vma, self.vma_words(vma)[0])

    def _enter(self, vma, node):
        kptr, family = self.core.kaddr(vma), self.mm_words(self.core.mm(vma.vm_mm))[0]
        self.clock[0] += 1
        entry = (vma.vm_pgoff, self.clock[0], kptr)
        self.words(node)[0:3] = family, entry[0], kptr
        self.vma_words(vma)[0], self.entries[kptr] = node, (family, entry)
        insort(self.index[family], entry)
        self.longest[family] = max(self.longest[family], vma.vm_end - vma.vm_start >> 12)

    def _leave(self, vma):
        family, entry = self.entries.pop(self.core.kaddr(vma))
        del self.index[family][bisect_left(self.index[family], entry)]

    def page_added(self, page, vma, address):
        page.mapping = self.mm_words(self.core.mm(vma.vm_mm))[0]
        page.index = self.offset_in(vma, address)

    def candidates(self, page):
        return self._walk(page, "referenced_cmp")

    def unmap_candidates(self, page):
        return self._walk(page, "unmap_cmp")

    def _walk(self, page, counter):
        index = self.index[page.mapping]
        self.charge(counter, len(index).bit_length())  # looking up the first
        for entry in self._near(index, page.index, self.longest[page.mapping]):
            if self.entries.get(entry[2], (0, ()))[1] == entry:  # else it went meanwhile
                vma = self.core.vma(entry[2])
                at, place = self.address_in(page, vma), (vma.vm_mm, entry[2])
                yield Rejected(*place) if at is None else Candidate(*place, at)

    def _near(self, index, offset, longest):
        first = (offset - longest + 1) & self.core.mask  # at most an area's length before
        at, end = bisect_left(index, (first,)), bisect_left(index, (offset + 1,))
        return index[at:end] if first <= offset else index[at:] + index[:end]  # offsets wrap

    def check(self, survey):
        """Objects are those of the index, and every page is of its family."""
        survey.expect("families", self.active("family"), len(self.index))
        survey.expect("areas in indexes", self.active("family_area"), len(self.entries))
        for pfn, mappings in survey.anon.items():
            for mapping in mappings:
                if self.core.page(pfn).mapping != self.mm_words(mapping.mm.ptr)[0]:
                    survey.fail(f"page {pfn} is mapped by another family than its own")
