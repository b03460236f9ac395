"""The one loop that drives a run, where it runs, and when it starts."""
