"""Files of the host whose pages are mapped."""
