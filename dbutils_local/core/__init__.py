"""What must happen to a run: pure decisions, without a clock, a file, a thread or an environment."""
