"""What descriptors refer to: pipes, streams, devices, /proc."""
