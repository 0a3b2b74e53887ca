"""Tasks: their life, their turn, what they wait for."""
