"""The gate in one pytest session: the ids typed for it, its items, what it is held against, and when it judges."""
