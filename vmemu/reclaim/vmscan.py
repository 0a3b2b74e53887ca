"""When memory is scanned and how hard: kswapd and direct reclaim.

After mm/vmscan.c of 2.6.6 (``try_to_free_pages``, ``balance_pgdat``, ``shrink_zone``).
The C core scans batches; here it is decided how many pages, and whether mapped ones.
"""

from __future__ import annotations

from vmemu.core import Core, lib
from vmemu.errors import ConfigError

__all__ = ["DEF_PRIORITY", "Reclaim"]

DEF_PRIORITY = 12
_BATCH: int = lib.SWAP_CLUSTER_MAX


class Reclaim:
    """The priority loop; ``swappiness`` 0 (spare mapped pages) to 100."""

    def __init__(self, core: Core, swappiness: int) -> None:
        if not 0 <= swappiness <= 100:
            raise ConfigError(f"swappiness must be 0 to 100, not {swappiness}")
        self.core = core
        self.swappiness = swappiness

    def try_to_free_pages(self, wanted: int = _BATCH) -> int:
        """Direct reclaim: scan ever harder until ``wanted`` pages are free; how many were."""
        m = self.core.m
        m.counter[lib.CNT_allocstall] += 1
        freed = 0
        for priority in range(DEF_PRIORITY, -1, -1):
            freed += self._shrink_zone(priority)
            if freed >= wanted:
                break
        m.k.zone.prev_priority = priority
        return freed

    def balance_pgdat(self) -> int:
        """kswapd: reclaim until free memory is above pages_high; pages freed.

        Gives up for this time when a whole priority loop freed nothing.
        """
        m = self.core.m
        zone = m.k.zone
        m.pages.want_kswapd = 0
        freed = 0
        while zone.free_pages <= zone.pages_high:
            m.counter[lib.CNT_kswapd_run] += 1
            before = freed
            for priority in range(DEF_PRIORITY, -1, -1):
                freed += self._shrink_zone(priority)
                if zone.free_pages > zone.pages_high:
                    break
            zone.prev_priority = priority
            if freed == before:
                break
        m.pages.want_kswapd = 0
        return freed

    def reclaim_pages(self, free: int) -> int:
        """Reclaim until ``free`` frames are free or nothing more goes, for the lab."""
        zone = self.core.m.k.zone
        freed = 0
        while zone.free_pages < free:
            step = self.try_to_free_pages(free - zone.free_pages)
            if not step:
                break
            freed += step
        self.core.check_bug()
        return freed

    def _shrink_zone(self, priority: int) -> int:
        """One pass at one priority: age the active list, scan the inactive one."""
        m = self.core.m
        zone = m.k.zone
        scanned = zone.pages_scanned
        ratio = _BATCH * zone.nr_active // (zone.nr_inactive * 2 + 1)
        zone.nr_scan_active += min(ratio, _BATCH * 4) + (zone.nr_active >> priority) + 1
        if zone.nr_scan_active >= _BATCH:
            self.core.lib.refill_inactive_zone(m, zone.nr_scan_active, self._reclaim_mapped())
            zone.nr_scan_active = 0
        zone.nr_scan_inactive += (zone.nr_inactive >> priority) + 1
        freed = 0
        if zone.nr_scan_inactive >= _BATCH or not priority:
            freed = self.core.lib.shrink_cache(m, zone.nr_scan_inactive)
            zone.nr_scan_inactive = 0
            if m.pages.nr_quarantine:
                self.core.lib.drop_code(m)
        self.core.event(lib.EV_reclaim, priority, zone.pages_scanned - scanned, freed)
        return int(freed)

    def _reclaim_mapped(self) -> bool:
        """Whether pages of processes may be taken: distress, mapped share, swappiness."""
        m = self.core.m
        distress = 100 >> m.k.zone.prev_priority
        mapped_ratio = m.pages.nr_mapped * 100 // m.k.zone.present_pages
        return bool(mapped_ratio // 2 + distress + self.swappiness >= 100)
