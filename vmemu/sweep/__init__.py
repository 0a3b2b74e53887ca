"""Sweeps: many runs of scenarios, from what is to be run to its rows."""
