"""What a database must refuse, as rows to try: a row of each collection as it should be, then the
same spoiled in one way. Pure."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, get_origin

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from callstore.calls.model import MOST
from callstore.schema.declaration import Collection, Field
from callstore.schema.papers import AUDIT, HOLD
from callstore.schema.tables import CALL, COLLECTIONS
from callstore.stores.structure import ProbeRow
from callstore.validation import EARLIEST, LATEST

Ids = Callable[[], str]


class ProbeOf(Struct, frozen=True, kw_only=True):
    """`refused`: whether the last of `rows` must be."""

    collection: str
    name: str
    rows: list[ProbeRow]
    refused: bool = True


def probes(new_id: Ids, now: datetime) -> Iterator[ProbeOf]:
    for collection in COLLECTIONS:
        make = _Maker(collection, new_id, now)
        yield make.probe("a row as it should be", refused=False)
        for field in collection.fields:
            if field.type is not Any:  # which takes anything
                yield make.probe(f"{field.name} of another type", spoiled=field.name)
            for said, value in _outside(field):
                yield make.changed(f"{field.name} {said}", {field.attribute: value})
        for rule in collection.rules:
            yield from make.breaking(rule.name)
        yield make.twice("key", same_id="id" in collection.key)
        for index in collection.indexes:
            if index.unique:
                yield make.twice(index.name, same_id="id" in index.fields)


class _Maker:
    """Rows of one collection, each of a call of its own."""

    def __init__(self, collection: Collection, new_id: Ids, now: datetime) -> None:
        self._collection = collection
        self._new_id = new_id
        self._now = now

    @property
    def row(self) -> Any:
        return _row(self._collection, self._new_id, self._now)

    def probe(self, name: str, *, refused: bool = True, spoiled: str | None = None) -> ProbeOf:
        row = self.row
        return self._of([*self._before(row), self._try(row, spoiled)], name, refused=refused)

    def changed(self, name: str, changes: dict[str, Any]) -> ProbeOf:
        row = self.row
        for attribute, value in changes.items():  # past the row's own derivations
            force_setattr(row, attribute, value)
        return self._of([*self._before(row), self._try(row)], name)

    def breaking(self, rule: str) -> Iterator[ProbeOf]:
        first, *others = _broken(rule, self.row)
        yield self.changed(rule, first)
        for other in others:
            yield self.changed(f"{rule}, the other way", other)

    def twice(self, name: str, *, same_id: bool) -> ProbeOf:
        row = self.row
        row = replace(row, **_matching(name, row))
        other = row if same_id or not isinstance(row.id, str) else replace(row, id=self._new_id())
        return self._of([*self._before(row), self._try(row), self._try(other)], f"{name}, twice")

    def _before(self, row: Any) -> list[ProbeRow]:
        """The call that the row is of."""
        if not self._collection.of_call:
            return []
        ids = {"id": row.call_session_id, "conversation_id": row.conversation_id}
        call = replace(_row(CALL, self._new_id, self._now), **ids)
        return [ProbeRow(collection=CALL.name, row=call)]

    def _try(self, row: Any, spoiled: str | None = None) -> ProbeRow:
        return ProbeRow(collection=self._collection.name, row=row, spoiled=spoiled)

    def _of(self, rows: list[ProbeRow], name: str, *, refused: bool = True) -> ProbeOf:
        return ProbeOf(collection=self._collection.name, name=name, rows=rows, refused=refused)


def _row(collection: Collection, new_id: Ids, now: datetime) -> Any:
    values = {f.attribute: _value(f, new_id, now) for f in collection.fields if not f.nullable}
    if collection is CALL:
        values |= {"status": "ended", "ended_at": now}
    fields = {field.attribute for field in collection.fields}
    if "user_id" in fields:
        values["user_id"] = new_id()
        if "party" in fields:
            values["party"] = f"u:{values['user_id']}"
    if collection is HOLD:
        values["conversation_id"] = new_id()
    if collection is AUDIT:
        values["seq"] = MOST  # which no entry has
    return collection.row(**{f.attribute: values.get(f.attribute) for f in collection.fields})


def _value(field: Field, new_id: Ids, now: datetime) -> Any:
    """The least that the field takes."""
    match field.kind:
        case "id":
            return new_id()
        case "time":
            return now
        case "text":
            return field.choices[0] if field.choices else "x" * int(max(field.low or 0, 1))
        case "bool":
            return False
        case "json":
            return {} if get_origin(field.type) is dict else []
    return type(field.low or 0)(field.low or 0)


def _outside(field: Field) -> Iterator[tuple[str, Any]]:
    """What is of the field's type, and just not among its choices or in its range."""
    if field.choices:
        yield "none of its choices", "no such choice"
        return
    if field.kind == "time":
        yield "too early", EARLIEST - _MS
        yield "too late", LATEST + _MS
    of: Any = "x" if field.kind == "text" else 1  # a text has a length
    if field.low is not None and (field.low > 0 or field.kind != "text"):
        yield "below its range", of * (field.low - 1)
    if field.high is not None and field.high < MOST:
        yield "above its range", of * (field.high + 1)


_MS = timedelta(milliseconds=1)


def _matching(index: str, row: Any) -> dict[str, Any]:
    """Changes that bring a row under a partial index."""
    return {
        "CallSession_oneLive": {"live": True, "status": "active", "ended_at": None},
        "CallParticipant_guest": {"user_id": None, "anonymous_user_id": row.id},
        "CallRecording_running": {"status": "recording"},
    }.get(index, {})


def _broken(rule: str, row: Any) -> list[dict[str, Any]]:
    """Changes that break a rule between fields, and nothing else; each is one way to."""
    nobody: dict[str, Any] = {"user_id": None}
    if "party" in row.__struct_fields__:
        nobody["party"] = None
    broken: dict[str, list[dict[str, Any]]] = {
        "exactlyOneParty": [{"anonymous_user_id": row.id}, nobody],
        "exactlyOneThing": [{"call_session_id": row.id}, {"conversation_id": None}],
        "partyOfItsColumns": [{"party": f"g:{row.id}"}],
        "liveStatus": [{"status": "active"}, {"live": True, "ended_at": None}],
        "liveUntilEnded": [{"ended_at": None}, {"live": True, "status": "active"}],
        "noMoreThanSeats": [{"live_count": 1}, {"peak_participants": MOST}],
        "rtpCapabilitiesSize": [{"rtp_capabilities": "x" * 600_000}],
    }
    return broken[rule]
