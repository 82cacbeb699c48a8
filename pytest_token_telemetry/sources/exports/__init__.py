"""What evaluation tools, observability platforms and agents export of their model calls: one module a format."""
