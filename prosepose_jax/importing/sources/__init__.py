"""One reader a tool, in one table."""
