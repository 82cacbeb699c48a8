"""The verdict as text, a form a module. They render what the gate decided, and compute nothing."""
