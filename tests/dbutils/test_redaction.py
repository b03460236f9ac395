"""Redaction: laws that must hold however the text is cut into pieces."""

from __future__ import annotations

import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.redaction import MARK, RedactedText, Redactor

SECRETS = st.lists(st.text("abc", min_size=4, max_size=8), min_size=1, max_size=4)
TEXT = st.text("abcx ", max_size=60)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


@given(SECRETS, TEXT)
def test_no_secret_is_left_in_redacted_text(secrets, text):
    redacted = Redactor(secrets).redact(text)
    assert not any(secret in redacted for secret in secrets)


@given(SECRETS, TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_a_stream_in_pieces_shows_no_secret(secrets, text, cuts):
    stream = Redactor(secrets).stream()
    shown = "".join(stream.feed(piece) for piece in pieces(text, cuts)) + stream.flush()
    assert not any(secret in shown for secret in secrets)


@given(st.text("abc", min_size=4, max_size=8), TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_a_stream_in_pieces_shows_what_the_whole_would(secret, text, cuts):
    redactor = Redactor([secret])
    stream = redactor.stream()
    assert "".join(stream.feed(piece) for piece in pieces(text, cuts)) + stream.flush() == redactor.redact(text)


@given(TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_text_without_secrets_is_shown_at_once(text, cuts):
    stream = Redactor(["zzzzzz"]).stream()
    assert [stream.feed(piece) for piece in pieces(text, cuts)] == pieces(text, cuts)


def test_short_values_are_not_hidden():
    assert Redactor(["abc"]).redact("abc") == "abc"


def test_a_longer_secret_that_contains_a_shorter_one_goes_as_a_whole():
    assert Redactor(["pass", "password"]).redact("my password") == f"my {MARK}"


def test_every_line_of_a_long_secret_is_hidden():
    key = "-----BEGIN-----\nMIIEvQIBADAN\n-----END-----\n"
    assert Redactor([key]).redact("line: MIIEvQIBADAN") == f"line: {MARK}"


def test_trees_are_redacted_in_values_and_keys():
    tree = {"a hunter2 b": ["hunter2", {"x": ("hunter2", 1, None)}]}
    redacted = Redactor(["hunter2"]).redact_tree(tree)
    assert redacted == {f"a {MARK} b": [MARK, {"x": (MARK, 1, None)}]}


def test_a_text_stream_hides_what_is_learnt_while_it_is_open():
    below, redactor = io.StringIO(), Redactor()
    stream = RedactedText(below, redactor)
    stream.write("before hunter2\n")
    redactor.learn("hunter2")
    stream.write("after hun")
    stream.write("ter2 end\n")
    stream.flush()
    assert below.getvalue() == f"before hunter2\nafter {MARK} end\n"
