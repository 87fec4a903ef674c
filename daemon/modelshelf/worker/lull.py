"""A lull: for how long nothing was done that was dropped or that a person asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lull:
    """Remembers, in monotonic seconds, when such work ended last; at first that is when the house was built."""

    since: float = 0.0

    def end(self, now: float) -> None:
        """Take note that such work was done just now."""
        self.since = now
