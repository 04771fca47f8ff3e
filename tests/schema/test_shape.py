"""What is told of two definitions that differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstore.schema.shape import LONGEST, differing

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
)


@given(values, values)
def test_something_is_told_exactly_where_they_differ(one: Any, other: Any) -> None:
    assert bool([*differing(one, other)]) == (one != other)


@pytest.mark.parametrize(
    ("found", "wanted", "told"),
    [
        ({"key": 1}, {"key": 1, "unique": True}, ["unique: none → true"]),
        ({"ttl": 5, "sparse": True}, {"ttl": 6}, ["ttl: 5 → 6", "sparse: true → none"]),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 3}, 2]}, ["a[0].b: 1 → 3"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: [1] → [1, 2]"]),
        ("INTEGER", "TEXT", ["INTEGER → TEXT"]),
        ({"where": {}}, {"where": {"hiddenAt": None}}, ["where.hiddenAt: none → null"]),
        ("a" * (LONGEST + 1), "b", ["a" * LONGEST + "… → b"]),
    ],
)
def test_each_part_is_named(found: Any, wanted: Any, told: list[str]) -> None:
    assert [*differing(found, wanted)] == told
