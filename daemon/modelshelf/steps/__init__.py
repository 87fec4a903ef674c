"""Steps: one file per TaskKind, each in two halves. Siblings, blind to each other; their order stands in `domain/task.py`."""
