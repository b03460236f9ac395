"""A run as people look at it: pure functions from a RunState to pictures, tables and pages."""
