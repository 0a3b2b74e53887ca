"""Program files and how they come into memory."""
