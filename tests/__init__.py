"""Tests; a package, so that `python -m tests.benchmarks` finds ours and no other distribution's folder of that name."""
