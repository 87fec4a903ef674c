"""Telling a person, through apprise, what happened. Reads the store's events; nothing waits for it and nothing depends on it."""
