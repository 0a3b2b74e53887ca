"""Swap areas and page reclaim."""
