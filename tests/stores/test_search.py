"""What is searched for is found alike on both stores, and by hand."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callstore import Calls, Caption, open_calls
from callstore.captions.words import terms, words
from callstore.testing import FakeClock, conversation, fake_ids, user
from callstore.testing.contract.world import ANN, BOB, CAT

WORDS = [
    *("Café", "cafe", "CAFETIÈRE", "l'école", "Straße", "strasse", "über"),
    *("señor", "mañana", "أحمد", "السَّلام", "नमस्ते", "दुनिया", "Ёлка"),
    *("你好", "世界", "東京", "タワー", "สวัสดี", "ครับ", "hello", "hell", "world", "3.14"),
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
ASKED = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    st.sampled_from(WORDS).map(lambda word: word[:3] + "*"),
    st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)).map(
        lambda two: f"{two[0]} {two[1]}*"
    ),
    st.text(max_size=6),
)
SPOKEN = st.tuples(
    st.integers(0, 2),  # of the calls
    st.booleans(),  # who
    TEXT,
    st.integers(0, 4),  # ms: many at once
    st.sampled_from([None, "fr"]),
    st.booleans(),
    TEXT,
)


class Both:
    """The same done to two stores, which give the same ids."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stores: list[Calls], clock: FakeClock):
        self.loop, self.stores, self.clock = loop, stores, clock
        self.rooms = itertools.count(1)

    def do(self, work: Any) -> list[Any]:
        return [self.loop.run_until_complete(work(calls)) for calls in self.stores]


@pytest.fixture
def both(empty_mongo: str) -> Iterator[Both]:
    clock = FakeClock()
    loop = asyncio.new_event_loop()
    opened = [open_calls(url, clock=clock, new_id=fake_ids()) for url in ("memory:", empty_mongo)]
    stores = [loop.run_until_complete(each.__aenter__()) for each in opened]
    yield Both(loop, stores, clock)
    for each in opened:
        loop.run_until_complete(each.__aexit__(None, None, None))
    loop.close()


async def talked(calls: Calls, room: str, other: Any) -> str:
    call = await calls.start(room, ANN, invite=[other])
    await calls.join(call.id, other)
    await calls.end(call.id)
    return call.id


async def said(calls: Calls, ids: list[str], clock: FakeClock, spoken: list[Any]) -> None:
    others = (BOB, CAT, BOB)
    for number, (at, ann, text, ms, tongue, is_final, translated) in enumerate(spoken):
        await calls.captions.add(
            ids[at],
            ANN if ann else others[at],
            segment_id=str(number),
            text=text,
            language="en",
            is_final=is_final,
            timestamp=clock() + timedelta(milliseconds=ms),
            translations={tongue: translated} if tongue else None,
        )


async def all_found(calls: Calls, query: str, place: dict[str, Any]) -> list[Caption]:
    found: list[Caption] = []
    cursor = None
    while True:
        page = await calls.captions.search(query, **place, limit=3, cursor=cursor)
        found += page.items
        if (cursor := page.next) is None:
            return found


def by_hand(captions: list[Caption], query: str) -> list[Caption]:
    def has(caption: Caption, term: Any) -> bool:
        of = words([caption.text, *(caption.translations or {}).values()])
        return any(w.startswith(term.word) if term.prefix else w == term.word for w in of)

    asked = terms(query)
    found = [c for c in captions if c.is_final and all(has(c, term) for term in asked)]
    return sorted(found, key=lambda c: (c.timestamp, c.id), reverse=True)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_query_finds_the_same_in_the_same_order(both: Both, data: Any) -> None:
    spoken = data.draw(st.lists(SPOKEN, max_size=20))
    room = next(both.rooms)
    rooms = [conversation(2 * room), conversation(2 * room), conversation(2 * room + 1)]
    ids: list[str] = []
    for each, other in zip(rooms, (BOB, CAT, BOB), strict=True):
        first, second = both.do(lambda calls, each=each, other=other: talked(calls, each, other))
        assert first == second
        ids.append(first)
    both.do(lambda calls: said(calls, ids, both.clock, spoken))
    whole = both.do(lambda calls: _everything(calls, ids))
    assert whole[0] == whole[1]
    for query in data.draw(st.lists(ASKED, min_size=1, max_size=4)):
        try:
            terms(query)
        except ValueError:
            continue
        searched: list[tuple[dict[str, Any], set[str]]] = [
            ({"call_id": ids[1]}, {ids[1]}),
            ({"conversation_id": rooms[0]}, {ids[0], ids[1]}),
        ]
        for place, calls_of in searched:
            found = both.do(lambda calls, q=query, p=place: all_found(calls, q, p))
            expected = by_hand([c for c in whole[0] if c.call_session_id in calls_of], query)
            assert found[0] == found[1] == expected, (place, query)
        for party, calls_of in ((BOB, {ids[0], ids[2]}), (CAT, {ids[1]}), (user(99), set())):
            found = both.do(lambda calls, q=query, p=party: all_found(calls, q, {"party": p}))
            assert found[0] == found[1]
            now = [c for c in found[0] if c.call_session_id in ids]  # and of earlier examples
            expected = by_hand([c for c in whole[0] if c.call_session_id in calls_of], query)
            assert now == expected


async def _everything(calls: Calls, ids: list[str]) -> list[Caption]:
    pages = [await calls.captions.list(id, final=False, limit=100) for id in ids]
    return [caption for page in pages for caption in page.items]
