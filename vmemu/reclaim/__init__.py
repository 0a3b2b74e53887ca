"""Taking frames away: when, how hard, from whom."""
