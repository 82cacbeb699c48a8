"""OTLP JSON, as OpenTelemetry exporters and collectors write it: spans and log records.

`otlp_source` reads documents, `attributes` knows what instrumentations call each fact, and `calls` which spans are one
call.
"""
