"""A YAML file as plain values, each with the line that it stands on.

YAML is read node by node, never built into objects: no tags but those of plain values, no key twice, and bounds on size,
depth and on how far aliases unfold, so that nine lines of aliases cannot fill the memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

from modelshelf.config.problem import KeyPath, Problem

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue

MAX_BYTES = 131_072
MAX_VALUES = 10_000
MAX_DEPTH = 32
MAX_MERGES = 200
MERGE_TAG = "tag:yaml.org,2002:merge"
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))

Members: TypeAlias = "dict[str, tuple[yaml.Node, int]]"


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `problems` are those of the YAML itself; what could be read stands in `value` all the same."""

    value: JsonValue = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """Give the line of a key, or of the nearest key above it that is written in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


class _Refused(Exception):
    """The file cannot be read on; carries the one problem."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.problem = Problem((), text, line=line)


def read_document(content: bytes) -> Document:
    """Read a YAML file; what is wrong with it stands in `problems`."""
    document = Document()
    try:
        node = _compose(_decode(content))
        value = _Reading(document).read(node, ()) if node is not None else None
    except _Refused as refused:
        return Document(problems=[*document.problems, refused.problem])
    return Document(value, document.lines, document.problems)


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _Refused(
            1, f"the file has more than {MAX_BYTES // 1024} KiB; no configuration needs that, see that it is one"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Refused(line, "the file is not UTF-8 from here on; save it as UTF-8") from error


def _compose(text: str) -> yaml.Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(line, "a character stands here that YAML does not allow; delete it") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _Refused(mark.line + 1 if mark else 1, f"this is not YAML: {_without_quotes(error)}") from error


def _without_quotes(error: yaml.MarkedYAMLError) -> str:
    """Give the parser's words without what it quotes from the file: that may be part of a secret."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return re.sub(r"'[^']{2,}'", "(...)", said) + "; check indentation, colons and quotes"


def _is_unicode(text: str) -> bool:
    """Escapes such as a lone surrogate make texts that nothing can write down again."""
    return text == text.encode("utf-8", "replace").decode()


class _Loader(yaml.SafeLoader):
    """Composes nodes only, and not deeper than any configuration is."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(self.line + 1, "sections are nested too deeply here; flatten them")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reading:
    """One pass over the nodes; lines and problems go into the document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._constructor = yaml.SafeLoader("")
        self._value_count = 0
        self._merge_count = 0

    def read(self, node: yaml.Node, path: KeyPath, line: int | None = None) -> JsonValue:
        """Give the plain value of `node`."""
        line = line or node.start_mark.line + 1
        self._value_count += 1
        if self._value_count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _Refused(line, "aliases (*name) unfold into too many values here; write them out")
        self._document.lines[path] = line
        if node.tag not in PLAIN_TAGS and node.tag != "tag:yaml.org,2002:timestamp":
            self._report(path, line, "this YAML tag is not allowed; write a plain value")
            return None
        if isinstance(node, yaml.MappingNode):
            return {key: self.read(each, (*path, key), at) for key, (each, at) in self._members(node, path).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(each, (*path, position)) for position, each in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _scalar(self, node: yaml.Node, path: KeyPath, line: int) -> JsonValue:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return str(node.value)
        try:
            value: JsonValue = self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, ArithmeticError):
            self._report(path, line, "this value cannot be read; put it in quotes")
            return None
        return value

    def _members(self, node: yaml.MappingNode, path: KeyPath) -> Members:
        own: Members = {}
        merged: Members = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == MERGE_TAG:
                merged = self._merged(value_node, path) | merged
            elif not isinstance(key_node, yaml.ScalarNode) or not _is_unicode(key_node.value):
                self._report(path, line, "a key must be plain text")
            elif key_node.value in own:
                first = own[key_node.value][1]
                self._report((*path, key_node.value), line, f"stands twice, first on line {first}; keep one of them")
            else:
                own[key_node.value] = (value_node, line)
        return merged | own

    def _merged(self, node: yaml.Node, path: KeyPath) -> Members:
        sections = node.value if isinstance(node, yaml.SequenceNode) else [node]
        self._merge_count += len(sections)
        if self._merge_count > MAX_MERGES:
            raise _Refused(node.start_mark.line + 1, "merges (<<) unfold into too many sections here; write them out")
        merged: Members = {}
        for each in sections:
            if isinstance(each, yaml.MappingNode):
                merged = self._members(each, path) | merged
            else:
                self._report(path, each.start_mark.line + 1, "<< takes a section, or a list of sections")
        return merged

    def _report(self, path: KeyPath, line: int, text: str) -> None:
        self._document.problems.append(Problem(path, text, line=line))
