"""The store: journal (what is owed) and catalog (what is known) in one SQLite file that one process writes."""
