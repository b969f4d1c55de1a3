r"""Patterns of keys, in the manner of shells, matched in time that grows with the key's length alone.

========== ==================================================================================================
``*``      any characters but ``/``, also none
``?``      one character but ``/``
``[a-z_]`` one of these characters; ``[!a-z]`` one of the others; never ``/``; ``]`` is one of them if it is first
``**``     any characters, ``/`` too, also none; ``**/`` where a part of the key begins: any number of whole parts
``\``      the next character as it is; between ``[`` and ``]``, a backslash
========== ==================================================================================================

A pattern matches whole keys, character by character (Unicode code points); case counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from objectstore_watcher.errors import InvalidArgument

Accept = Callable[[str], bool]


@dataclass(frozen=True)
class _Token:
    """A step of a pattern.

    Attributes:
        accepts: which characters it takes.
        is_star: takes any number of them, also none.
        is_fork: takes none, and leads past the two tokens behind it as well as to them.
        literal: the one character that it stands for; empty where there are several.
    """

    accepts: Accept
    is_star: bool = False
    is_fork: bool = False
    literal: str = ""


def _not_slash(character: str) -> bool:
    return character != "/"


def _any(character: str) -> bool:
    return True


_ONE = _Token(_not_slash)
_STAR = _Token(_not_slash, is_star=True)
_DEEP = _Token(_any, is_star=True)
_FORK = _Token(lambda character: False, is_fork=True)


class Pattern:
    """A pattern, ready to match.

    Its states are the bits of a number, so that a step takes the same time whatever the pattern: a regular expression
    would take for ever on some keys, and hold the heartbeat meanwhile.

    Args:
        text: the pattern.

    Raises:
        InvalidArgument: a class is not closed or empty, or has a range or a name that means nothing here; the last
            character is a lone backslash; or there are alternatives in braces.
    """

    def __init__(self, text: str) -> None:
        tokens = list(_tokens(text))
        self._tokens = tokens
        self._free = sum(1 << i for i, token in enumerate(tokens) if token.is_star or token.is_fork)
        self._forks = sum(1 << i for i, token in enumerate(tokens) if token.is_fork)
        self._end = 1 << len(tokens)
        self._taken: dict[str, tuple[int, int]] = {}

    @property
    def prefix(self) -> str:
        """What all keys begin with that match: where a listing begins."""
        literals = []
        for token in self._tokens:
            if not token.literal:
                break
            literals.append(token.literal)
        return "".join(literals)

    @property
    def is_literal(self) -> bool:
        """Whether one key matches only, which is the prefix."""
        return all(token.literal for token in self._tokens)

    @property
    def has_wildcard_folders(self) -> bool:
        """Whether what matches can be in several folders, other than below the fixed one."""
        return any(token.literal == "/" for token in self._tokens[len(self.prefix) :])

    @property
    def slashes(self) -> int | None:
        """How many slashes all keys have that match; None: any number."""
        return None if _DEEP in self._tokens else sum(token.literal == "/" for token in self._tokens)

    def matches(self, key: str) -> bool:
        """Whether the whole ``key`` matches."""
        states = self._closed(1)
        for character in key:
            once, again = self._taken.get(character) or self._take(character)
            states = self._closed((states & once) << 1 | states & again)
            if not states:
                return False
        return bool(states & self._end)

    def _take(self, character: str) -> tuple[int, int]:
        """The tokens that take ``character``: those that are done with it, and stars."""
        taken = [i for i, token in enumerate(self._tokens) if token.accepts(character)]
        again = sum(1 << i for i in taken if self._tokens[i].is_star)
        self._taken[character] = found = sum(1 << i for i in taken) & ~again, again
        return found

    def _closed(self, states: int) -> int:
        """With the states that are reached without a character."""
        while (more := states | (states & self._free) << 1 | (states & self._forks) << _PAST) != states:
            states = more
        return states


_PAST = 3
"""From a fork to what is behind its star and its slash."""


_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
"""Shells read these as alternatives: who writes them does not wait for the characters."""


_NAMED = re.compile(r"\[[:.=]")
"""POSIX has names such as [:digit:] within a class: who writes one does not wait for these characters."""


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        character = text[at]
        if text.startswith("**/", at) and (at == 0 or text[at - 1] == "/"):
            yield from (_FORK, _DEEP, _literal("/"))
            at += 3
        elif text.startswith("**", at):
            yield _DEEP
            at += 2
        elif character == "[":
            token, at = _class(text, at)
            yield token
        elif character == "{" and _BRACES.match(text, at):
            raise _wrong(text, "has braces, which stand for themselves here", r"give a path for each, or write \{")
        elif character == "\\":
            yield _literal(_escaped(text, at))
            at += 2
        else:
            yield {"*": _STAR, "?": _ONE}.get(character) or _literal(character)
            at += 1


def literally(text: str) -> str:
    """The pattern that ``text`` alone matches."""
    return re.sub(r"[*?\[{\\]", r"\\\g<0>", text)


def _literal(character: str) -> _Token:
    return _Token(lambda c: c == character, literal=character)


def _escaped(text: str, at: int) -> str:
    if at + 1 == len(text):
        raise _wrong(text, "ends with a backslash", r"write \\ for a backslash")
    return text[at + 1]


def _class(text: str, at: int) -> tuple[_Token, int]:
    """The class that begins at ``at``, and where the pattern goes on."""
    begin = at + 1
    negated = text[begin : begin + 1] in ("!", "^")
    begin += negated
    end = text.find("]", begin + 1)
    if end < 0:
        raise _wrong(text, "has a [ that is not closed", r"close it, or write \[ for the character itself")
    if named := _NAMED.search(text[begin:end]):
        cure = "write the characters, such as [0-9]; for [ beside another of them, put it last"
        raise _wrong(text, f"has {named.group()} in a class, which names no characters here", cure)
    ranges = list(_ranges(text[begin:end]))
    if wrong := next((f"{low}-{high}" for low, high in ranges if low > high), ""):
        raise _wrong(text, f"has the range {wrong!r}, which is empty", "write the lower character first")

    def accepts(character: str) -> bool:
        return character != "/" and negated != any(low <= character <= high for low, high in ranges)

    return _Token(accepts), end + 1


def _ranges(characters: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(characters):
        if characters[at + 1 : at + 2] == "-" and at + 2 < len(characters):
            yield characters[at], characters[at + 2]
            at += 3
        else:
            yield characters[at], characters[at]
            at += 1


def _wrong(text: str, detail: str, cure: str) -> InvalidArgument:
    return InvalidArgument(f"pattern {text!r}", detail, cure=cure)
