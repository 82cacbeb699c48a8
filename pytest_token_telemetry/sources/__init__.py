"""Where samples come from: one module a format, and what walks, reads and counts for all of them."""
