"""Pure numbers: no pytest, no files, no words."""
