"""Inter-process communication of System V."""
