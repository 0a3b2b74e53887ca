"""Faults planted on purpose, each of which a test must find."""
