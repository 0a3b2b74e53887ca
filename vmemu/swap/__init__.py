"""Swap areas and their files."""
