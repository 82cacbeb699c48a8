"""OTLP JSON, as OpenTelemetry exporters and collectors write it: spans and log records.

`decoding` decodes documents and `otlp_source` reads them, `attributes` knows what instrumentations call each fact,
`traces` which spans are one call, and `calls` when enough is known of them.
"""
