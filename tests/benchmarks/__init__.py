"""Benchmarks: `python -m tests.benchmarks [SUBJECT]...`."""
