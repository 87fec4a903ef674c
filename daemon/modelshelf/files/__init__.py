"""The only door by which files leave: `writing.py` for one, `drafts.py` for many together; and reading within limits."""

from modelshelf.files.drafts import Drafts, Ending, drafted
from modelshelf.files.leftovers import is_leftover, remove_leftovers
from modelshelf.files.writing import (
    create_file,
    directories_synced_once,
    make_directory,
    move_without_replacing,
    read_limited,
    remove_file,
    replace_file,
)

__all__ = [
    "Drafts",
    "Ending",
    "create_file",
    "directories_synced_once",
    "drafted",
    "is_leftover",
    "make_directory",
    "move_without_replacing",
    "read_limited",
    "remove_file",
    "remove_leftovers",
    "replace_file",
]
