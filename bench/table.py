"""The table that comes out: a line per figure, its target beside it, and which of them decide the exit code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `is_reached` None: there is no target. Absolute figures hang on the machine, so only a `is_ratio` fails."""

    subject: str
    figure: str
    target: str = ""
    is_reached: bool | None = None
    is_ratio: bool = False

    @property
    def has_failed(self) -> bool:
        """Tell whether this line alone makes the whole bench fail."""
        return self.is_ratio and self.is_reached is False

    @property
    def verdict(self) -> str:
        """Give the last column."""
        if self.is_reached is None:
            return ""
        if self.is_reached:
            return "reached"
        return "FAILED" if self.is_ratio else "missed"


def print_table(title: str, rows: list[Row]) -> None:
    """Print the lines of one comparison below its title."""
    print(f"\n{title}")
    for row in rows:
        print(f"  {row.subject:<52}{row.figure:>18}  {row.target:<14}{row.verdict}".rstrip())
