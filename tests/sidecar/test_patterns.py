from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.patterns import Pattern, literally


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("a/b", ["a/b"], ["a/b/", "a", "A/b", "a/bc"]),
        ("*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csv.gz", "a.CSV"]),
        (
            "2026-??-*/part-[0-9]*.parquet",
            ["2026-01-x/part-7.parquet", "2026-1é-/part-77a.parquet"],
            ["2026-1-x/part-7.parquet", "2026-01-x/part-.parquet", "2026-01-x/y/part-7.parquet"],
        ),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c", "x/a/b"]),
        ("**/b", ["b", "a/b", "x/y/b"], ["ab", "b/a", "a/xb"]),
        ("a/**", ["a/", "a/b", "a/b/c"], ["a", "b/a/"]),
        ("a**b", ["ab", "a/b", "axx/yyb"], ["a", "ba"]),
        ("**", ["", "a", "a/b"], []),
        ("*", ["", "a"], ["a/b", "/"]),
        ("?", ["a", "ü", "😀"], ["", "ab", "/"]),
        ("[abc]", ["a", "c"], ["d", "", "ab"]),
        ("[!abc]", ["d", "]"], ["a", "/", ""]),
        ("[^a]", ["b", "^"], ["a", "/"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[!]]", ["a"], ["]", "/"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[--0]", ["-", ".", "0"], ["/", "1"]),
        (r"[\]]", ["\\]"], ["]", "\\"]),
        ("[a:[]", ["a", ":", "["], ["]"]),
        (r"\*\?\[\\", ["*?[\\"], ["a?[\\"]),
        ("a]b", ["a]b"], ["ab"]),
        ("new\nline*", ["new\nline", "new\nline\n2"], ["newline"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = Pattern(pattern)
    assert [key for key in matching if not compiled.matches(key)] == []
    assert [key for key in others if compiled.matches(key)] == []


def reference(pattern: str, key: str) -> bool:
    """The same rules, written down as plainly as they can be, in exponential time."""

    @cache
    def match(p: int, k: int) -> bool:  # noqa: PLR0911 # a rule a line
        if p == len(pattern):
            return k == len(key)
        rest = len(key) - k
        if pattern.startswith("**/", p) and (p == 0 or pattern[p - 1] == "/"):
            return match(p + 3, k) or any(key[k + n] == "/" and match(p + 3, k + n + 1) for n in range(rest))
        if pattern.startswith("**", p):
            return any(match(p + 2, k + n) for n in range(rest + 1))
        if pattern[p] == "*":
            return any("/" not in key[k : k + n] and match(p + 1, k + n) for n in range(rest + 1))
        if not rest:
            return False
        if pattern[p] == "?":
            return key[k] != "/" and match(p + 1, k + 1)
        if pattern[p] == "\\":
            return key[k] == pattern[p + 1] and match(p + 2, k + 1)
        if pattern[p] == "[":
            negated = pattern[p + 1] in "!^"
            end = pattern.index("]", p + 2 + negated)
            inside = is_among(key[k], pattern[p + 1 + negated : end])
            return key[k] != "/" and inside != negated and match(end + 1, k + 1)
        return key[k] == pattern[p] and match(p + 1, k + 1)

    return match(0, 0)


def is_among(character: str, members: str) -> bool:
    if len(members) > 2 and members[1] == "-":
        return members[0] <= character <= members[2] or is_among(character, members[3:])
    return bool(members) and (character == members[0] or is_among(character, members[1:]))


CHARACTERS = st.sampled_from("abcZ019/*?-[]^!\\{},é☃😀\n \x1f")
MEMBERS = st.sampled_from("abcZ019*?[^!\\{,é☃😀\n /")
RANGES = st.tuples(MEMBERS, MEMBERS).map(sorted).map("-".join)
CLASSES = st.builds(
    "[{}{}{}{}]".format,
    st.sampled_from(["", "!", "^"]),
    st.sampled_from(["", "]"]),
    st.lists(MEMBERS | RANGES, min_size=1, max_size=4).map("".join),
    st.sampled_from(["", "-"]),
).filter(lambda text: text not in ("[!]", "[^]"))
ESCAPES = CHARACTERS.map("\\{}".format)
PLAIN = st.sampled_from("abcZ019/-]^!é☃😀\n ")
PARTS = st.sampled_from(["*", "**", "**/", "/**/", "?"]) | CLASSES | ESCAPES | PLAIN


@st.composite
def patterns_and_keys(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern, and a key that it may well match: of two texts drawn apart, hardly any would."""
    parts = draw(st.lists(PARTS, max_size=8))
    return "".join(parts), "".join(draw(_text_for(part)) for part in parts)


def _text_for(part: str) -> st.SearchStrategy[str]:
    if part.startswith("\\") or (len(part) == 1 and part not in "*?"):
        return st.just(part[-1])
    if part.startswith("["):
        return st.sampled_from(part) | CHARACTERS
    return CHARACTERS if part == "?" else st.text(CHARACTERS, max_size=4).map(lambda text: text + part.strip("*"))


@given(patterns_and_keys())
@settings(max_examples=3000)
def test_it_agrees_with_a_plain_reference(pattern_and_key: tuple[str, str]) -> None:
    pattern, key = pattern_and_key
    assert Pattern(pattern).matches(key) == reference(pattern, key)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_a_pattern_or_refused(pattern: str, key: str) -> None:
    try:
        compiled = Pattern(pattern)
    except InvalidArgument as refused:
        assert str(refused).startswith("pattern ")  # noqa: PT017 # most texts are not refused
    else:
        if compiled.matches(key):
            assert key.startswith(compiled.prefix)


@given(st.text(max_size=20))
def test_a_key_whose_every_character_is_escaped_matches_itself_alone(key: str) -> None:
    pattern = Pattern("".join("\\" + character for character in key))
    assert pattern.is_literal
    assert pattern.prefix == key
    assert pattern.matches(key)
    assert not pattern.matches(key + "x")


@given(st.text(max_size=20))
def test_a_text_that_is_taken_literally_matches_itself_alone(text: str) -> None:
    assert (Pattern(literally(text)).prefix, Pattern(literally(text)).is_literal) == (text, True)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("part-*", False),
        ("in/part-*", False),
        ("in/**", False),
        (r"i\*n/*", False),
        ("2026-*/part", True),
        ("**/part", True),
        ("in/?/part-*", True),
    ],
)
def test_whether_what_matches_can_be_in_several_folders_is_told(pattern: str, expected: bool) -> None:
    assert Pattern(pattern).has_wildcard_folders == expected


@pytest.mark.parametrize(
    ("pattern", "prefix", "is_literal"),
    [
        ("a/b", "a/b", True),
        ("a/b*", "a/b", False),
        ("a/**/b", "a/", False),
        ("*", "", False),
        (r"a\*b?c", "a*b", False),
        ("a[b]c", "a", False),
        ("", "", True),
    ],
)
def test_a_listing_begins_at_the_longest_literal_prefix(pattern: str, prefix: str, is_literal: bool) -> None:
    assert (Pattern(pattern).prefix, Pattern(pattern).is_literal) == (prefix, is_literal)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("a[b", r"has a [ that is not closed; close it"),
        ("a[", "not closed"),
        ("[]", "not closed"),
        ("a\\", "backslash"),
        ("part-{1,2}", r"has braces, which stand for themselves here; give a path for each, or write \{"),
        ("part-{1..9}.csv", "has braces"),
        ("[z-a]", "has the range 'z-a', which is empty; write the lower character first"),
        ("[a-c9-0]", "has the range '9-0', which is empty"),
        ("[[:digit:]]", "has [: in a class, which names no characters here; write the characters, such as [0-9]"),
        ("[^[=a=]]", "has [= in a class"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Pattern(pattern)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "slashes"), [("a*", 0), ("/a/*/[!/]", 3), (r"a\/b?", 1), ("a/**", None), ("a**b", None), ("**/b", None)]
)
def test_it_is_known_how_many_slashes_a_key_must_have(pattern: str, slashes: int | None) -> None:
    assert Pattern(pattern).slashes == slashes


def test_no_key_takes_more_time_than_its_length_explains() -> None:
    """As a regular expression this takes for ever: the pattern's author is not the key's."""
    pattern = Pattern("**a*" * 30 + "b")
    began = time.process_time()
    assert not pattern.matches("a" * 1024)
    assert time.process_time() - began < 10  # some milliseconds
