"""What MongoDB's codec makes of a value, and the driver of that, comes back as it went in."""

from typing import Any

import bson
import pytest
from bson import DatetimeMS
from hypothesis import example, given
from hypothesis import strategies as st

from callstore.errors import StoreError
from callstore.schema import tables
from callstore.stores.mongo.codec import decoder, encoder

FIELD = next(field for field in tables.CALL.fields if field.name == "rtpCapabilities")
NAMES = st.sampled_from(["$ref", "$id", "$db"]) | st.text("ab$", max_size=2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text("b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@given(JSON)
@example([{"$ref": "b", "$id": None, "$db": None}, {"$ref": "b", "$id": 1, "$db": "c"}])
@example({"$db": None, "$id": {"$ref": "b", "$id": 2, "$db": None}, "$ref": "b", "c": 0.5})
def test_json_comes_back_with_what_the_driver_takes_for_references(value: Any) -> None:
    encode, decode = encoder(FIELD), decoder(FIELD)
    assert encode is not None
    assert decode is not None
    back = decode(bson.decode(bson.encode({"v": encode(value)}))["v"])
    assert repr(ordered(back)) == repr(ordered(value))  # True is not 1


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [*map(ordered, value)] if isinstance(value, list) else value


@pytest.mark.parametrize("field", ["rtpCapabilities", "createdAt"])
def test_a_date_that_python_cannot_have_is_told_of(field: str) -> None:
    far = DatetimeMS(8_640_000_000_000_000)
    decode = decoder(next(each for each in tables.CALL.fields if each.name == field))
    assert decode is not None
    with pytest.raises(StoreError, match="8640000000000000 ms"):
        decode([{"at": far}] if field == "rtpCapabilities" else far)
