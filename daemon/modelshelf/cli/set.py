"""`modelshelf set`: what a person says of a model, which counts for more than what any file or server says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from modelshelf.cli.deciding import decided, deciding, demand_one_wish, owe_again, report
from modelshelf.cli.field_values import FIELDS, field_named, value_of
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option
from modelshelf.cli.wording import value_text
from modelshelf.domain.fact import Field
from modelshelf.domain.task import TaskKind
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.store import Store

_NEGATIVE_NUMBER = re.compile(r"-[\d.]+")
_SPELLED_AS_KNOWN = {Field.MODEL_TYPE: "model_type", Field.BASE_MODEL: "base_model"}
_HELP = f"""Say what is true of FILE, a path, a name or a hash: it counts for more than what any file or server says.

It holds for these very bytes, wherever they lie, until --clear takes it back. Sidecars, page and gallery follow by themselves.

\b
{chr(10).join(f"{field.value:22}{kind}" for field, kind in FIELDS.items())}
"""


class _TakesNegativeNumbers(click.Command):
    """Lets `-0.8` be a value, where click would look for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        numbers = [each for each in args if _NEGATIVE_NUMBER.fullmatch(each)]
        if numbers and "--" not in args:
            args = [*(each for each in args if each not in numbers), "--", *numbers]
        return super().parse_args(ctx, args)


@click.command(name="set", cls=_TakesNegativeNumbers, help=_HELP)
@click.argument("target", metavar="FILE")
@click.argument("field_name", metavar="FIELD")
@click.argument("values", metavar="[VALUE]...", nargs=-1)
@click.option("--clear", "is_cleared", is_flag=True, help="Take back what was said of FIELD.")
@json_option
@global_options
@click.pass_obj
def set_field(
    opening: Opening, target: str, field_name: str, values: tuple[str, ...], *, is_cleared: bool, is_json: bool
) -> None:
    """Keep or take back the value that a person gave to a field; the help is `_HELP`."""
    field = field_named(field_name)
    demand_one_wish(has_value=bool(values), is_cleared=is_cleared, value_name="a VALUE")
    value = None if is_cleared else value_of(field, values)
    with deciding(opening, target) as (store, meant):
        if is_cleared:
            if not store.decisions.take_back(meant.content.id, field):
                raise UsageError(f"nobody has set {field} of {meant.name}; see modelshelf why")
            said = f"What was set as {field} of {meant.name} is taken back."
        else:
            value = _spelled(store, field, value)
            store.decisions.keep(meant.content.id, decided(field, value))
            said = f"{field} of {meant.name} is {value_text(value)}."
        owe_again(store, meant, TaskKind.WRITE_SIDECARS)
    report(opening, meant, said, {"field": field.value, "value": value}, is_json=is_json)


def _spelled(store: Store, field: Field, value: JsonValue) -> JsonValue:
    """Give a type or base model as it is spelled already, or lists and filters would have two of it."""
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    if field not in _SPELLED_AS_KNOWN or not isinstance(value, str):
        return value
    known = Reports(store.database).spellings(_SPELLED_AS_KNOWN[field], value)
    return next((each for each in known if each.casefold() == value.casefold()), value)
