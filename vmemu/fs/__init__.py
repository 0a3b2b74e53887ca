"""Files: page cache, inodes, and the text of /proc."""
