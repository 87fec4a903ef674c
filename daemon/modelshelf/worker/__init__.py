"""The hall where work is done: claim, perform, record. It runs any step and names none."""
