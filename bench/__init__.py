"""Measure how fast messages come in, with real processes, beside a yardstick. Results: docs/benchmarks.md."""
