"""The kernel personality: tasks, programs, signals, system calls."""
