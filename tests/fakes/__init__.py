"""Stand-ins for the outside world: real code, used by tests, demonstrations and benchmarks alike."""
