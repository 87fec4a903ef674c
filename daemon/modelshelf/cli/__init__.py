"""What a person types: a file per command; `main.py` holds the exit codes and the one place that shows errors."""
