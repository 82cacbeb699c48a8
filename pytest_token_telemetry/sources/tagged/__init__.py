"""Lines with a tag in any log: the origin's, and our own.

`source` reads files. `scanner` says which records a text holds, and `autopack` and `own_lines` what each says; that is
the definition. `lines` finds the same records faster, and `regular` reads many plain lines at once: what is not plain
goes the slow way. Only `regular` and `digests` know the text as words of eight bytes.
"""
