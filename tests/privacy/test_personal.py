"""Whatever is declared that could hold a party's id or words is accounted for: in PERSONAL, which
erasure and export go by, or in IMPERSONAL, with the reason why it names nobody."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from scripts import personal as record

from callstore.privacy.personal import IMPERSONAL, PERSONAL
from callstore.schema.declaration import Collection, Field
from callstore.schema.tables import BY_NAME, COLLECTIONS
from callstore.settings import Settings

Name = tuple[str, str]
LISTED: list[Name] = [(each.collection, field) for each in PERSONAL for field in each.fields]


def may_be_personal(field: Field) -> bool:
    """By its kind: an id, a text that is not one of a few, a JSON value."""
    return field.kind in ("id", "json") or (field.kind == "text" and not field.choices)


def unaccounted(collections: Iterable[Collection]) -> set[Name]:
    found = {(c.name, f.name) for c in collections for f in c.fields if may_be_personal(f)}
    return found - {*LISTED} - IMPERSONAL.keys()


def missing(names: Iterable[Name], collections: Iterable[Collection]) -> set[Name]:
    """What is listed, and is not there."""
    return {*names} - {(c.name, f.name) for c in collections for f in c.fields}


def test_every_field_is_accounted_for() -> None:
    assert unaccounted(COLLECTIONS) == set()


def test_nothing_is_listed_that_is_not_there() -> None:
    assert missing([*LISTED, *IMPERSONAL], COLLECTIONS) == set()


def test_nothing_is_listed_twice() -> None:
    assert len(LISTED) == len(set(LISTED))
    assert IMPERSONAL.keys() & set(LISTED) == set()


def test_what_is_listed_as_impersonal_could_have_been_personal() -> None:
    fields = {(c.name, f.name): f for c in COLLECTIONS for f in c.fields}
    assert [name for name in IMPERSONAL if not may_be_personal(fields[name])] == []


@pytest.mark.parametrize("kind", ["id", "text", "json"])
@pytest.mark.parametrize("collection", ["CallSession", "CallPulse", "CallAudit"])
def test_a_new_field_is_found(kind: Any, collection: str) -> None:
    new = Field(name="nickname", attribute="nickname", kind=kind, nullable=True)
    changed = structs.replace(BY_NAME[collection], fields=(*BY_NAME[collection].fields, new))
    others = [one for one in COLLECTIONS if one.name != collection]
    assert unaccounted([*others, changed]) == {(collection, "nickname")}


def test_a_new_collection_is_found() -> None:
    copy = structs.replace(BY_NAME["CallEvent"], name="CallNote")
    assert ("CallNote", "userId") in unaccounted([*COLLECTIONS, copy])


def test_a_field_that_went_is_found() -> None:
    (caption,) = (one for one in COLLECTIONS if one.name == "CallTranscription")
    less = structs.replace(caption, fields=tuple(f for f in caption.fields if f.name != "words"))
    others = [one for one in COLLECTIONS if one.name != "CallTranscription"]
    assert missing(LISTED, [*others, less]) == {("CallTranscription", "words")}


def test_the_record_of_processing_is_up_to_date() -> None:
    page = Path(record.PAGE).read_text(encoding="utf-8")
    assert page == record.up_to_date(page), "run scripts/personal.py"


def test_the_record_has_each_field_and_how_long_it_is_kept() -> None:
    text = record.table(Settings(keep_captions_days=7))
    for each in PERSONAL:
        assert all(f"`{field}`" in text for field in each.fields)
    (said,) = (row for row in text.splitlines() if "what the party said" in row)
    assert "7 days" in said


def test_the_settings_that_the_record_names_are_there() -> None:
    assert set(record.KEPT) == {each.collection for each in PERSONAL}
    for kept in record.KEPT.values():
        assert kept.setting is None or isinstance(getattr(Settings(), kept.setting), float | int)
