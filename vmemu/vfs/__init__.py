"""What paths and descriptors refer to: file systems, pipes, streams, devices, /proc."""
