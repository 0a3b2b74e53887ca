"""What a machine's memory looks like at one moment: a record, and views of it."""
