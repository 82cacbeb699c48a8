"""Telemetry that a program leaves of its own calls, with the standard library alone."""
