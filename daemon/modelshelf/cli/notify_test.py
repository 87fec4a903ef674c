"""`modelshelf notify-test`: whether what is told reaches anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.config import Config
    from modelshelf.notifying.courier import Receipt


@click.command(name="notify-test")
@json_option
@global_options
@click.pass_obj
def notify_test(opening: Opening, *, is_json: bool) -> int:
    """Send a sample message to every target of `notifications.targets`, quiet hours or not.

    Each is shown by its scheme and server only. Exit status 1 if any of them failed.
    """
    targets = _targets(opening.config)
    receipts = []
    for number, target in enumerate(targets, 1):
        receipt = _send_sample(target)
        receipts.append(receipt)
        if not is_json:
            outcome = "sent" if receipt.is_sent else f"FAILED: {receipt.reason or 'no reason given'}"
            show_line(f"{number}  {receipt.label}  {outcome}")
    if is_json:
        _show_json(receipts)
    return Exit.GOOD if all(receipt.is_sent for receipt in receipts) else Exit.FAILED


def _targets(config: Config) -> tuple[str, ...]:
    if not config.file.notifications.targets:
        raise UsageError("notifications.targets names nobody to tell; see CONFIGURATION.md")
    if not config.told_targets:
        raise UsageError(next(each for each in config.warnings if each.startswith("notifications.")))
    return config.told_targets


def _send_sample(target: str) -> Receipt:
    from modelshelf.notifying.courier import Courier  # noqa: PLC0415 -- only where something is sent
    from modelshelf.notifying.message import Message  # noqa: PLC0415 -- likewise

    return Courier().carry(target, Message("modelshelf: a test", "If you can read this, notifications reach you."))


def _show_json(receipts: Sequence[Receipt]) -> None:
    show_json(
        {
            "targets": [
                {"target": each.label, "is_sent": each.is_sent, "reason": None if each.is_sent else each.reason}
                for each in receipts
            ]
        }
    )
