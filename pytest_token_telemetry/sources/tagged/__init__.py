"""Lines with a tag in any log: the origin's, and our own.

`tagged_source` reads files. `simple_search` says which records a text holds, and `parsing` and `own_parsing` what each
says; that is the definition. `line_scanner` finds the same records faster, and `fast_lane`, `budget_lane` and
`own_lane` read many plain lines at once: what is not plain goes the slow way. Only these and `digests` know the text as
words of eight bytes.
"""
