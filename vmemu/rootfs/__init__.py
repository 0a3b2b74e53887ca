"""Roots for guests, laid out from Debian's packages."""
