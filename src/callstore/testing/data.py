"""Ids and parties to test with: the same in every run, and easy to tell apart."""

import itertools
from collections.abc import Callable

from callstore.calls.model import Guest, User


def fake_ids(seed: int = 0) -> Callable[[], str]:
    """A maker of ids, to pass as `new_id`: seed and a counter, so equal runs have equal ids.

    Every call of the maker gives another id, whatever thread it comes from.
    """
    counter = itertools.count(1)  # its next() is one step under the interpreter's lock

    def new_id() -> str:
        return f"{seed & 0xFFFFFFFF:08x}{next(counter):016x}"

    return new_id


def user(n: int) -> User:
    return User(_id("a", n))


def guest(n: int) -> Guest:
    return Guest(_id("b", n))


def conversation(n: int) -> str:
    return _id("c", n)


def chosen_id(n: int) -> str:
    """An id for start(call_id=...), apart from those that `fake_ids` makes."""
    return _id("d", n)


def _id(letter: str, n: int) -> str:
    return f"{letter * 4}{n:020x}"
