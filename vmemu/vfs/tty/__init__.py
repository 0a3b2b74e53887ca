"""Terminals: attributes, line discipline, pairs, and the host's terminal."""
