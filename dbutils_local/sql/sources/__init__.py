"""What a statement reads from: tables in their places, files as tables; imports sqlglot (extra `sql`)."""
