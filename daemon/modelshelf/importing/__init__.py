"""What other programs know, read from where they keep it."""
