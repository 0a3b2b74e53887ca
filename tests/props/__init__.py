"""Random operations on address spaces, held against a plain model of their memory."""
