"""Paths into columns of JSON text."""

from __future__ import annotations

import pytest

from dbutils_local.spark.json_paths import as_functions


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SELECT p:a FROM t", "SELECT get_json_object(p, '$.a') AS `a` FROM t"),
        ("SELECT c.p:a.b x FROM c", "SELECT get_json_object(c.p, '$.a.b') x FROM c"),
        (
            "SELECT id, p:a:b, p:c[0].d FROM t",
            "SELECT id, get_json_object(p, '$.a.b') AS `b`, get_json_object(p, '$.c[0].d') AS `d` FROM t",
        ),
        ("SELECT p:`zip code` FROM t", "SELECT get_json_object(p, '$[\\'zip code\\']') AS `zip code` FROM t"),
        ("SELECT p:['a b'] AS x FROM t", "SELECT get_json_object(p, '$[\\'a b\\']') AS x FROM t"),
        ("SELECT p:n::INT FROM t", "SELECT get_json_object(p, '$.n')::INT FROM t"),
        ("SELECT f(p:n, 1) FROM t", "SELECT f(get_json_object(p, '$.n'), 1) FROM t"),
        (
            "SELECT 1 FROM t WHERE p:n = 'x' AND q = :q",
            "SELECT 1 FROM t WHERE get_json_object(p, '$.n') = 'x' AND q = :q",
        ),
        ("SELECT 1 FROM t GROUP BY p:n", "SELECT 1 FROM t GROUP BY get_json_object(p, '$.n')"),
        ("SELECT :p, 'a:b' -- p:a", "SELECT :p, 'a:b' -- p:a"),
    ],
)
def test_a_path_becomes_a_function(text: str, written: str) -> None:
    assert as_functions(text) == written
