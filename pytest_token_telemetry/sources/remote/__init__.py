"""Directories elsewhere, as ``s3://bucket/prefix``: listed, copied some at a time, and read as local files."""
