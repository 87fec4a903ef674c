"""The Store: every table behind its own noun, over one Database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.store import tenure
from modelshelf.store.alternates import Alternates
from modelshelf.store.arrivals import Arrivals
from modelshelf.store.chunks import Chunks
from modelshelf.store.claims import Claims
from modelshelf.store.contents import Contents
from modelshelf.store.database import Database
from modelshelf.store.decisions import Decisions
from modelshelf.store.entries import Entries
from modelshelf.store.events import Events
from modelshelf.store.facts import FactTable
from modelshelf.store.failures import Failures
from modelshelf.store.files import Files
from modelshelf.store.folders import Folders
from modelshelf.store.former_sidecars import FormerSidecars
from modelshelf.store.grounds import Grounds
from modelshelf.store.holds import Holds
from modelshelf.store.journal import Journal
from modelshelf.store.ledger import Ledger
from modelshelf.store.orders import Orders
from modelshelf.store.owed_reading import OwedReading
from modelshelf.store.remote import Remote
from modelshelf.store.rot_table import RotTable
from modelshelf.store.runs import Runs
from modelshelf.store.standing import Standing
from modelshelf.store.strays import Strays
from modelshelf.store.updates import Updates
from modelshelf.store.verifications import Verifications
from modelshelf.store.watches import Watches

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.clock import Clock


@dataclass(frozen=True, slots=True)
class Store:
    """Journal and catalog. What must be kept together is done inside one `database.transaction()`."""

    database: Database
    journal: Journal
    folders: Folders
    files: Files
    contents: Contents
    claims: Claims
    facts: FactTable
    remote: Remote
    alternates: Alternates
    updates: Updates
    entries: Entries
    arrivals: Arrivals
    ledger: Ledger
    runs: Runs
    events: Events
    failures: Failures
    grounds: Grounds
    holds: Holds
    strays: Strays
    formers: FormerSidecars
    watches: Watches
    decisions: Decisions
    standing: Standing
    reading: OwedReading
    orders: Orders
    chunks: Chunks
    rot: RotTable
    verifications: Verifications

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the store for writing; where it may be new or older, the caller holds the state lock."""
        return cls.over(Database.open(path))

    @classmethod
    def begin_tenure(cls, path: Path, clock: Clock) -> Store:
        """Open the store as the one process that works on it, and see that it is sound; the caller holds the state lock."""
        return cls.over(tenure.begin(path, clock))

    def end_tenure(self) -> None:
        """Remember that all ended well; what is left open without this counts as a crash."""
        tenure.end(self.database)

    def condemn(self) -> None:
        """Have the next owner set the store aside: damage was met while it was used."""
        tenure.condemn(self.database.path)

    @classmethod
    def open_readonly(cls, path: Path) -> Store:
        """Open the store beside a running daemon; every attempt to write raises StoreError."""
        return cls.over(Database.open_readonly(path))

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @classmethod
    def over(cls, database: Database) -> Store:
        """Give the store over a database that is open."""
        return cls(
            database=database,
            journal=Journal(database),
            folders=Folders(database),
            files=Files(database),
            contents=Contents(database),
            claims=Claims(database),
            facts=FactTable(database),
            remote=Remote(database),
            alternates=Alternates(database),
            updates=Updates(database),
            entries=Entries(database),
            arrivals=Arrivals(database, Entries(database)),
            ledger=Ledger(database),
            runs=Runs(database),
            events=Events(database),
            failures=Failures(database),
            grounds=Grounds(database),
            holds=Holds(database),
            strays=Strays(database),
            formers=FormerSidecars(database),
            watches=Watches(database),
            decisions=Decisions(database),
            standing=Standing(database),
            reading=OwedReading(database),
            orders=Orders(database),
            chunks=Chunks(database),
            rot=RotTable(database),
            verifications=Verifications(database),
        )
