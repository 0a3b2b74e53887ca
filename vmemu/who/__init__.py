"""Who maps a frame, and how the reverse map finds out: a record, and views of it."""
