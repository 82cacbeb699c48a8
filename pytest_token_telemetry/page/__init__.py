"""The page to look at: one file that opens anywhere, works offline, and fetches nothing."""
