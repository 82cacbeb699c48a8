"""Telemetry of calls as they are made: by a program that leaves it, with the standard library alone, or by tests."""
