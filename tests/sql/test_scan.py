"""Where statements, quotes and comments begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.sql.scan import Kind, code, split, tokens, unquote

_PIECES = st.sampled_from(
    [
        "SELECT",
        " ",
        "\n",
        ";",
        "'a;b'",
        '"x"',
        "`n;`",
        "-- c;\n",
        "/* ; */",
        "$$ ; $$",
        "1.5",
        "::",
        ":p",
        "(",
        ")",
        "'",
        "\\",
        "é",
        "r'\\'",
    ]
)


@given(st.lists(_PIECES).map("".join))
def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


@given(
    st.lists(
        st.sampled_from(
            ["SELECT 1", "SELECT ';'", "/* ; */ SELECT 2", "SELECT `;`", "SELECT $$;$$", "SELECT 3 -- ;\n"]
        ),
        min_size=1,
    )
)
def test_statements_joined_by_semicolons_come_apart_again(statements: list[str]) -> None:
    assert [one.text for one in split(";".join(statements))] == [one.strip() for one in statements]


@pytest.mark.parametrize("text", ["", " ;; ", "-- only a comment", "/* a; b */;"])
def test_text_without_a_statement_gives_none(text: str) -> None:
    assert split(text) == []


def test_a_statement_knows_its_line() -> None:
    assert [one.line for one in split("SELECT 1;\n\n-- note\nSELECT 2")] == [1, 4]


def test_block_comments_nest() -> None:
    assert len(split("SELECT /* a /* b; */ c; */ 1; SELECT 2")) == 2


def test_a_begin_end_block_is_one_statement() -> None:
    text = "BEGIN SELECT CASE WHEN true THEN 1 END; IF true THEN SELECT 2; END IF; END; SELECT 3"
    assert [one.text[-3:] for one in split(text)] == ["END", "T 3"]


def test_begin_transaction_does_not_open_a_block() -> None:
    assert len(split("BEGIN TRANSACTION; SELECT 1; COMMIT")) == 3


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'a'", "a"),
        ('"a"', "a"),
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        (r"'a\nb'", "a\nb"),
        (r"r'a\nb'", r"a\nb"),
        ("$$a'b$$", "a'b"),
        ("$tag$a$$b$tag$", "a$$b"),
        (r"'\u00e9'", "é"),
        (r"'100\%'", r"100\%"),
    ],
)
def test_string_literals_have_databricks_values(literal: str, value: str) -> None:
    assert unquote(literal) == value
    assert [token.kind for token in code(literal)] == [Kind.STRING]
