"""`modelshelf service`: the unit, and which folders it may write to, from the configuration; and all of it away again."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import click

from modelshelf.cli.grants import directories_written
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import show_line
from modelshelf.cli.systemctl import Systemctl
from modelshelf.cli.unit_files import (
    SYSTEM,
    files_for_machine,
    files_for_person,
    is_ours,
    places_of_person,
    remove,
    write,
)
from modelshelf.config.find import SYSTEM_CONFIG
from modelshelf.domain.display import readable
from modelshelf.errors import FileUnreadable, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.cli.unit_files import Places

user_option = click.option("--user", "is_user", is_flag=True, help="A service of your own, not one of the machine.")


@click.group()
@global_options
def service() -> None:
    """Install modelshelf as a service of systemd, or take it away."""


@service.command()
@user_option
@click.option("--now", "is_now", is_flag=True, help="Start it as well, now and with the machine.")
@global_options
@click.pass_obj
def install(opening: Opening, *, is_user: bool, is_now: bool) -> None:
    """Write what systemd needs to know, from the configuration: which folders the service may write to.

    Do it again after a change of folders or outputs. The unit itself is written only where no package brought one.
    """
    places, systemctl = _places(is_user=is_user), Systemctl(is_user=is_user)
    if not is_user and places.is_packaged:
        opening.config_path = opening.config_path or SYSTEM_CONFIG
    config = opening.config
    files = files_for_person(config, places) if is_user else files_for_machine(config, places)
    changed = _write(files, is_user=is_user)
    for path in changed:
        show_line(f"written: {readable(path)}")
    _load(systemctl, places, changed)
    if is_now:
        systemctl.start_anew()
    for text in _advice(
        systemctl, directories_written(config), is_changed=bool(changed), is_user=is_user, is_now=is_now
    ):
        opening.note(text)


def _write(files: Mapping[Path, str], *, is_user: bool) -> list[Path]:
    try:
        return write(files)
    except FileUnreadable as error:
        if is_user or error.errno != errno.EACCES:
            raise
        raise UsageError(f"{error}: run it with sudo, or with --user for a service of your own") from error


def _places(*, is_user: bool) -> Places:
    return places_of_person(os.environ) if is_user else SYSTEM


def _load(systemctl: Systemctl, places: Places, changed: list[Path]) -> None:
    if changed:
        systemctl.reload_units()
    if places.users in changed and places.users is not None:
        systemctl.make_users(places.users)


def _advice(
    systemctl: Systemctl, directories: list[Path], *, is_changed: bool, is_user: bool, is_now: bool
) -> list[str]:
    advice = [
        f"{readable(path)}: the service's user may not write there. Let it in by group (SupplementaryGroups=), or let the"
        " service run as the owner (User=, Group=), with: systemctl edit modelshelf"
        for path in systemctl.kept_out(directories)
    ]
    if not systemctl.is_running:
        advice.append("systemd does not run here: nothing was loaded or started")
    elif not is_now:
        advice.append(_next_step(systemctl, is_changed=is_changed, is_user=is_user))
    return advice


def _next_step(systemctl: Systemctl, *, is_changed: bool, is_user: bool) -> str:
    command = "systemctl --user" if is_user else "systemctl"
    if not systemctl.is_active:
        return f"next: {command} enable --now modelshelf"
    return f"next: {command} restart modelshelf" if is_changed else "nothing changed; the service runs"


@service.command()
@user_option
@global_options
@click.pass_obj
def uninstall(opening: Opening, *, is_user: bool) -> None:
    """Remove exactly what `install` wrote. State, configuration and models stay; so does the user that it made."""
    places, systemctl = _places(is_user=is_user), Systemctl(is_user=is_user)
    if is_ours(places.unit):
        systemctl.end()
    gone = remove(places.ours())
    for path in gone:
        show_line(f"removed: {readable(path)}")
    if not gone:
        opening.note("nothing here was written by modelshelf service install")
        return
    systemctl.reload_units()
    if systemctl.is_active:
        opening.note("the service still runs with its folders; they go with: systemctl restart modelshelf")
