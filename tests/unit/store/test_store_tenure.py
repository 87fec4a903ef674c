"""Who owns the store: it is checked and healed first, and whoever owned it before writes no more."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind
from modelshelf.errors import DiskFull, StoreDamaged, StoreError
from modelshelf.store import healing, tenure
from modelshelf.store.backups import make_backup
from modelshelf.store.database import Database
from modelshelf.store.migrations import APPLICATION_ID, MIGRATIONS
from modelshelf.store.store import Store
from tests.fakes.clock import FakeClock
from tests.unit.store.damage import damage_pages, folder_ids, grown

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = FakeClock()
NOW = CLOCK.now()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "modelshelf.db"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """Give what is logged about the store."""
    events: list[tuple[str, dict[str, object]]] = []
    log = SimpleNamespace(
        info=lambda event, **facts: events.append((event, facts)),
        warning=lambda event, **facts: events.append((event, facts)),
        critical=lambda event, **facts: events.append((event, facts)),
    )
    monkeypatch.setattr(tenure, "log", log)
    monkeypatch.setattr(healing, "log", log)
    return events


def put_folder(database: Database, name: str) -> None:
    database.execute("INSERT INTO folders (id, path) VALUES (?, x'2F')", (name,))


def backed_up(path: Path, folder_id: str, days_ago: int = 1) -> Path:
    """Make a store with one folder more, and a backup of it."""
    grown(path, folder_id)
    return make_backup(path, NOW - timedelta(days=days_ago)).path


def sets_aside(path: Path) -> list[str]:
    """Give what was set aside, each store with its WAL as one."""
    names = [each.name for each in path.parent.iterdir() if ".corrupt-" in each.name]
    return sorted({name.removesuffix("-wal").removesuffix("-shm") for name in names})


# the generation


def test_each_owner_is_a_later_generation(path: Path) -> None:
    generations = []
    for _ in range(3):
        with closing(tenure.begin(path, CLOCK)) as database:
            generations += [
                row["value"] for row in database.rows("SELECT value FROM standing WHERE name = 'generation'")
            ]
    assert generations == [1, 2, 3]


def test_whoever_owned_the_store_before_writes_no_more(path: Path) -> None:
    with closing(tenure.begin(path, CLOCK)) as first:
        put_folder(first, "a")
        with closing(tenure.begin(path, CLOCK)) as second:
            for write in (
                lambda: put_folder(first, "late"),
                lambda: first.rows("INSERT INTO folders (id, path) VALUES ('late', x'2F') RETURNING id"),
                lambda: first.row(" insert into folders (id, path) values ('late', x'2F') returning id"),
            ):
                with pytest.raises(StoreError, match="taken over"):
                    write()
            with pytest.raises(StoreError, match="taken over"), first.transaction():
                pytest.fail("the block of a transaction that cannot be is not begun")
            put_folder(second, "b")
            assert [row["id"] for row in first.rows("SELECT id FROM folders")] == ["a", "b"]


def test_what_only_adds_work_is_not_fenced(path: Path) -> None:
    with closing(Database.open(path)) as command, closing(tenure.begin(path, CLOCK)):
        put_folder(command, "a")
        assert folder_ids(path) == ["a"]


def test_who_is_past_does_not_say_of_the_present_owner_that_he_ended_well(path: Path) -> None:
    first = tenure.begin(path, CLOCK)
    with closing(tenure.begin(path, CLOCK)) as second:
        tenure.end(first)
        first.close()
        assert second.rows("SELECT value FROM standing WHERE name = 'is_in_use'")[0]["value"] == 1


# checks


def test_after_a_good_end_every_page_is_read_and_after_any_other_every_index_too(
    path: Path, told: list[tuple[str, dict[str, object]]]
) -> None:
    tenure.begin(path, CLOCK).close()
    database = tenure.begin(path, CLOCK)
    tenure.end(database)
    database.close()
    tenure.begin(path, CLOCK).close()
    assert [facts["is_thorough"] for event, facts in told if event == "store_checked"] == [True, False]


def test_a_store_from_before_this_was_kept_counts_as_crashed(
    path: Path, told: list[tuple[str, dict[str, object]]]
) -> None:
    Database.open(path, MIGRATIONS[:2]).close()
    tenure.begin(path, CLOCK).close()
    assert [facts["is_thorough"] for event, facts in told if event == "store_checked"] == [True]


def test_an_end_that_cannot_be_kept_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(tenure.begin(path, CLOCK)) as database:

        def refuse(*_: object) -> None:
            raise DiskFull("full")

        monkeypatch.setattr(database, "execute", refuse)
        tenure.end(database)


def test_a_network_file_system_is_refused_before_anything_is_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_pages(grown(path))

    def refuse(*_: object) -> None:
        raise StoreError("lies on a network file system")

    monkeypatch.setattr(tenure, "require_local_disk", refuse)
    with pytest.raises(StoreError, match="network"):
        tenure.begin(path, CLOCK)
    assert sets_aside(path) == []


# healing


def zero(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def truncate_within_a_page(path: Path) -> None:
    os.truncate(path, 5000)


def scribble_over_the_header(path: Path) -> None:
    damage_pages(path, first=0, count=1)


def leave_the_wal_alone(path: Path) -> None:
    path.rename(path.with_name("modelshelf.db-wal"))


DAMAGES = (zero, truncate, truncate_within_a_page, scribble_over_the_header, damage_pages, leave_the_wal_alone)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_set_aside_and_the_newest_backup_restored(
    path: Path, damage: object, told: list[tuple[str, dict[str, object]]]
) -> None:
    """F48."""
    backed_up(path, "older", days_ago=2)
    backed_up(path, "newer")
    grown(path, "lost")
    assert callable(damage)
    damage(path)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}
    store = Store.begin_tenure(path, CLOCK)
    assert {state.id for state in store.folders.states()} == {"older", "newer"}
    assert {key for key, number in store.journal.owed().items() if number} == {TaskKind.SCAN_FOLDER}
    assert store.journal.owed() == {TaskKind.SCAN_FOLDER: 2}
    (event,) = [each for each in store.events.latest(5) if each.name == "store_restored"]
    assert event.details["backup"] == "modelshelf-20260807T120000Z.db"
    store.end_tenure()
    store.close()
    (aside,) = sets_aside(path)
    assert {name: path.with_name(name.replace(path.name, aside)).read_bytes() for name in before} == before
    assert [name for name, _ in told if name != "store_checked"] == ["store_found_damaged", "store_restored"]
    tenure.begin(path, CLOCK).close()


def test_a_backup_that_is_damaged_empty_foreign_or_of_a_newer_program_is_passed_over(
    path: Path, told: list[tuple[str, dict[str, object]]]
) -> None:
    backed_up(path, "good", days_ago=9)
    damage_pages(backed_up(path, "damaged", days_ago=1))
    zero(backed_up(path, "empty", days_ago=2))
    with closing(Database.open(backed_up(path, "foreign", days_ago=3))) as foreign:
        foreign.execute("PRAGMA application_id = 77")
    with closing(Database.open(backed_up(path, "newer", days_ago=4))) as newer:
        newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    damage_pages(path)
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["good"]
    assert [name for name, _ in told].count("backup_passed_over") == 4


def test_without_a_good_backup_it_begins_anew(path: Path, told: list[tuple[str, dict[str, object]]]) -> None:
    damage_pages(backed_up(path, "a"))
    damage_pages(path)
    with closing(Store.begin_tenure(path, CLOCK)) as store:
        assert store.folders.states() == []
        assert store.events.latest(1)[0].name == "store_begun_anew"
    assert told[-1][0] == "store_begun_anew"
    assert sets_aside(path) == ["modelshelf.db.corrupt-20260808T120000Z"]


def test_a_backup_of_an_older_version_is_upgraded(path: Path) -> None:
    with closing(Database.open(path, MIGRATIONS[:2])) as database:
        put_folder(database, "a")
    make_backup(path, NOW - timedelta(days=1))
    zero(path)
    with closing(tenure.begin(path, CLOCK)) as database:
        assert database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    assert folder_ids(path) == ["a"]


@pytest.mark.parametrize("application_id", [0, 77])
def test_the_database_of_another_program_is_no_damage(path: Path, application_id: int) -> None:
    """F48."""
    backed_up(path, "a")
    with closing(Database.open(path)) as database:
        database.execute(f"PRAGMA application_id = {application_id}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program") as raised:
        tenure.begin(path, CLOCK)
    assert not isinstance(raised.value, StoreDamaged)
    assert path.read_bytes() == before
    assert sets_aside(path) == []


def test_a_disk_that_goes_bad_again_and_again_does_not_fill_itself(path: Path) -> None:
    clock = FakeClock()
    backed_up(path, "a")
    for _ in range(6):
        clock.advance(0.4)
        damage_pages(path)
        tenure.begin(path, clock).close()
    names = [f"modelshelf.db.corrupt-20260808T12000{ending}" for ending in ("1Z~", "2Z", "2Z~")]
    assert sets_aside(path) == names


def test_the_set_just_made_is_kept_whatever_the_clock_says(path: Path) -> None:
    for year in (2030, 2031, 2032, 2026):
        damage_pages(grown(path, str(year)))
        tenure.begin(path, FakeClock(datetime(year, 1, 1, tzinfo=UTC))).close()
    assert sets_aside(path) == [f"modelshelf.db.corrupt-{year}0101T000000Z" for year in (2026, 2031, 2032)]


def test_where_there_are_no_hard_links_the_store_is_set_aside_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(path, "a")
    damage_pages(path)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["a"]
    assert sets_aside(path) == ["modelshelf.db.corrupt-20260808T120000Z"]


class PowerCut(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["rename", "link", "replace", "unlink"])
def test_a_kill_at_any_step_leaves_a_store_that_the_next_start_heals(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(path, "a")
    writer = Database.open(path)
    put_folder(writer, "in the WAL")
    wal = path.with_name("modelshelf.db-wal").read_bytes()
    writer.close()
    path.with_name("modelshelf.db-wal").write_bytes(wal)
    damage_pages(path, first=0, count=40)

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as cutting:
        cutting.setattr(os if step == "link" else type(path), step, cut)
        with suppress(PowerCut):
            tenure.begin(path, CLOCK).close()
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["a"]
    assert not list(path.parent.glob("*.new-*"))


def test_a_full_disk_while_healing_leaves_all_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backed_up(path, "a")
    damage_pages(path)
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise DiskFull("full")

    with monkeypatch.context() as full:
        full.setattr(healing, "copy", refuse)
        with pytest.raises(DiskFull):
            tenure.begin(path, CLOCK)
    assert path.read_bytes() == before
    assert sets_aside(path) == []
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["a"]


def test_what_is_set_aside_is_still_for_its_owner_alone(path: Path) -> None:
    backed_up(path, "a")
    damage_pages(path)
    tenure.begin(path, CLOCK).close()
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir() if each.is_file()} == {0o600}
    with closing(Database.open(path)) as database:
        assert database.rows("PRAGMA application_id")[0][0] == APPLICATION_ID


# damage that no check finds


def condemned(path: Path) -> None:
    with closing(Store.begin_tenure(path, CLOCK)) as store:
        store.condemn()


def test_a_store_that_was_condemned_is_set_aside_whatever_its_checks_say(path: Path) -> None:
    backed_up(path, "a")
    grown(path, "lost")
    condemned(path)
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["a"]
    tenure.begin(path, CLOCK).close()
    assert sets_aside(path) == ["modelshelf.db.corrupt-20260808T120000Z"]


def test_a_condemnation_that_cannot_be_removed_is_said(path: Path) -> None:
    backed_up(path, "a")
    healing.condemnation(path).mkdir()
    with pytest.raises(StoreError, match=r"cannot remove .*condemned"):
        tenure.begin(path, CLOCK)


def test_a_backup_with_the_same_damage_gives_way_to_an_older_one_and_to_none_in_the_end(path: Path) -> None:
    for days, name in ((9, "a"), (5, "b"), (1, "c")):
        backed_up(path, name, days_ago=days)
    found = []
    for _ in range(4):
        condemned(path)
        tenure.begin(path, CLOCK).close()
        found.append("".join(folder_ids(path)))
    assert found == ["abc", "ab", "a", ""]


def test_a_backup_that_did_well_for_a_day_is_trusted_again(path: Path) -> None:
    backed_up(path, "a")
    condemned(path)
    tenure.begin(path, CLOCK).close()
    condemned(path)
    tenure.begin(path, FakeClock(NOW + timedelta(days=2))).close()
    assert folder_ids(path) == ["a"]


def test_what_is_condemned_and_cannot_be_read_any_more_is_healed_like_any_other(path: Path) -> None:
    backed_up(path, "a")
    condemned(path)
    damage_pages(path, first=0)
    tenure.begin(path, CLOCK).close()
    assert folder_ids(path) == ["a"]


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_store_that_was_moved_away_is_not_worked_on(tmp_path: Path, *, is_made_again: bool) -> None:
    state = tmp_path / "state"
    store = Store.open(state / "modelshelf.db")
    store.database.demand_own()
    state.rename(tmp_path / "state.old")
    if is_made_again:
        Store.open(state / "modelshelf.db").close()
    with pytest.raises(StoreError, match="was moved or removed while it was in use"):
        store.database.demand_own()
    store.close()
