"""The one door for outside data: every argument is checked, every wrong one is reported.

`check(Command, name=value, …)` gives the command or raises `Invalid` with a JSON pointer and a
message for each wrong field. Types that callstore has an opinion on have a parser of their own
below; all others go through `msgspec.convert`.
"""

import base64
import binascii
import math
import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError

from callstore.calls.model import Guest, Label, Party, User
from callstore.captions.languages import canonical
from callstore.captions.model import Text
from callstore.captions.words import Term, terms
from callstore.errors import Invalid
from callstore.ids import Id, parse_id
from callstore.times import EPOCH, to_ms
from callstore.times import LATEST as LATEST
from callstore.times import cut as cut

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
JSON_BYTES = 64 * 1024
JSON_LEVELS = 32
MAX_INVITES = MAX_IDS = 10_000
MAX_OBJECTS = 1000  # in a list of them
MAX_QUERY = 500  # characters
MAX_TRANSLATIONS = 50  # of a caption
MAX_ERRORS = 100  # named of one field

Time = Annotated[datetime, "UTC, whole milliseconds"]
Json = Annotated[Any, "any JSON value"]
Invites = Annotated[list[Party], "deduplicated by start"]
Cursor = Annotated[tuple[datetime, str], "opaque: the last row of a page, by (createdAt, id)"]
SeqCursor = Annotated[int, "opaque: the last row of a page, by seq"]
Limit = Annotated[int, Meta(ge=1, le=100)]
Offset = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Ids = Annotated[list[str], "a set of call ids"]
ByteStream = Annotated[AsyncIterable[bytes], "bytes, as they come"]
Callback = Annotated[Callable[..., Any], "a function of the host's"]
LanguageTag = Annotated[str, "a BCP-47 tag, in its canonical form"]
Query = Annotated[list[Term], "what a text asks for"]
Translations = Annotated[dict[str, str], "language -> text"]

S = TypeVar("S", bound=Struct)


class FieldErrors(ValueError):
    """The wrong parts of a field: where in it, as a JSON pointer, and what."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__(errors[0][1])
        self.errors = errors[:MAX_ERRORS]


def check(kind: type[S], /, **values: Any) -> S:
    """`kind` made of `values`; Invalid names every field that is wrong."""
    wrong: list[tuple[str, str]] = []
    parsed: dict[str, Any] = {}
    for name, parse in _parsers(kind):
        if name not in values:
            continue
        parsed[name] = _attempt(wrong, f"/{name}", parse, values[name])
    if not wrong:
        try:
            return kind(**parsed)
        except FieldErrors as error:
            wrong = error.errors
    raise Invalid(wrong)


def need_one(**given: object) -> None:
    """Invalid unless exactly one of these is given; the first is asked for where none is."""
    there = [name for name, value in given.items() if value is not None]
    if len(there) != 1:
        which = there[-1] if there else next(iter(given))
        raise Invalid.field(f"/{which}", f"exactly one of {', '.join(given)} must be given")


def _attempt(
    wrong: list[tuple[str, str]], pointer: str, parse: Callable[[Any], Any], value: object
) -> Any:
    """`parse(value)`; or what is wrong with it is added to `wrong`."""
    try:
        return parse(value)
    except FieldErrors as error:
        wrong += [(pointer + inner, message) for inner, message in error.errors]
    except (ValueError, RecursionError) as error:
        wrong.append((pointer, str(error)))
    return None


@cache
def _parsers(kind: type[Struct]) -> list[tuple[str, Callable[[Any], Any]]]:
    return [(field.name, _parser(field.type)) for field in msgspec.structs.fields(kind)]


def _parser(annotation: Any) -> Callable[[Any], Any]:
    if annotation in _PARSERS:
        return _PARSERS[annotation]
    if _is_struct(annotation):
        return _struct(annotation)
    if get_origin(annotation) is list and _is_struct(one := get_args(annotation)[0]):
        parse = _struct(one)
        return lambda value: _each(value, parse, MAX_OBJECTS)
    options = get_args(annotation)
    if options and (type(None) in options or UnsetType in options):
        absent = tuple(a for a in (None, UNSET) if type(a) in options)
        rest = [o for o in options if o not in (type(None), UnsetType)]
        inner = _parser(_union(rest))
        return lambda value: value if any(value is a for a in absent) else inner(value)
    return lambda value: _convert(value, annotation)


def _is_struct(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Struct)


def _union(options: list[Any]) -> Any:
    union = options[0]
    for option in options[1:]:
        union = union | option
    return union


_PATH = re.compile(r" - at `\$(.*)`$")


def _convert(value: Any, annotation: Any) -> Any:
    try:
        converted = msgspec.convert(value, annotation)
    except ValidationError as error:
        message = str(error)
        at = _PATH.search(message)
        pointer = re.sub(r"\[(\d+)\]|\.", lambda m: f"/{m[1] or ''}", at[1]) if at else ""
        message = message[: at.start()] if at else message
        message = message[:1].lower() + message[1:]
        raise FieldErrors([(pointer.replace("[...]", ""), message)]) from None
    if isinstance(converted, str):
        encodable(converted)
    return converted


def encodable(text: str) -> str:
    """ValueError for a lone surrogate: no store can keep it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text") from None
    return text


def party(value: object) -> Party:
    if not isinstance(value, (User, Guest)):
        raise ValueError("must be User(id) or Guest(id)")
    try:
        id = parse_id(value.id)
    except ValueError as error:
        raise FieldErrors([("/id", str(error))]) from None
    return value if id == value.id else type(value)(id)


def _each(values: object, parse: Callable[[Any], Any], most: int) -> list[Any]:
    if isinstance(values, (str, bytes, dict, Struct)) or not isinstance(values, Iterable):
        raise ValueError("must be a list")
    listed = list(islice(values, most + 1))  # it may have no end
    if len(listed) > most:
        raise ValueError(f"must have at most {most} entries")
    wrong: list[tuple[str, str]] = []
    parsed = [_attempt(wrong, f"/{index}", parse, value) for index, value in enumerate(listed)]
    if wrong:
        raise FieldErrors(wrong)
    return parsed


def time(value: object) -> datetime:
    """An aware datetime in range, as UTC in whole milliseconds."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be a datetime with a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        utc = datetime.min.replace(tzinfo=UTC)
    if not EARLIEST <= utc <= LATEST:
        raise ValueError("must be a time from 2000-01-01 to 2100-01-01")
    return cut(utc)


def cursor_text(place: tuple[datetime, str]) -> str:
    return base64.urlsafe_b64encode(f"{to_ms(place[0])}.{place[1]}".encode()).decode()


def _cursor(value: object) -> tuple[datetime, str]:
    if not isinstance(value, str):
        raise ValueError("must be the `next` of a page")
    try:
        at, _, id = base64.b64decode(value, b"-_", validate=True).decode().partition(".")
        return time(EPOCH + timedelta(milliseconds=int(at))), parse_id(id)
    except (ValueError, OverflowError, binascii.Error):
        raise ValueError("must be the `next` of a page") from None


def seq_cursor_text(seq: int) -> str:
    return base64.urlsafe_b64encode(f"#{seq}".encode()).decode()


def _seq_cursor(value: object) -> int:
    try:
        text = base64.b64decode(value, b"-_", validate=True) if isinstance(value, str) else b""
    except ValueError:
        text = b""
    found = _SEQ.fullmatch(text)
    if found is None:
        raise ValueError("must be the `next` of a page")
    return int(found[1])


_SEQ = re.compile(rb"#([0-9]{1,18})")


def json_value(value: object) -> Any:
    """A copy of a JSON value up to 64 KiB and 32 levels."""
    if wrong := list(islice(_json_errors(value, "", JSON_LEVELS), MAX_ERRORS)):
        raise FieldErrors(wrong)
    encoded = msgspec.json.encode(value)
    if len(encoded) > JSON_BYTES:
        raise ValueError(f"must be at most {JSON_BYTES} bytes of JSON")
    return msgspec.json.decode(encoded)


def _json_errors(value: object, pointer: str, levels: int) -> Iterator[tuple[str, str]]:
    if levels < 0:
        yield "", f"must be at most {JSON_LEVELS} levels deep"
    elif type(value) is dict:
        for key, item in value.items():
            try:
                _check_key(key)
            except ValueError as error:
                yield pointer, str(error)
            else:
                yield from _json_errors(item, pointer + _step(key), levels - 1)
    elif type(value) is list:
        for index, item in enumerate(value):
            yield from _json_errors(item, f"{pointer}/{index}", levels - 1)
    else:
        try:
            _check_scalar(value)
        except ValueError as error:
            yield pointer, str(error)


def _check_key(key: object) -> None:
    if type(key) is not str or "\0" in key:
        raise ValueError("keys must be strings without NUL")
    encodable(key)


def _check_scalar(value: object) -> None:
    if value is None or type(value) is bool:
        return
    if type(value) is str:  # nothing that is derived from it: msgspec would not encode it
        encodable(value)
    elif type(value) is int:
        if not -(2**63) <= value < 2**63:
            raise ValueError("numbers must fit in 64 bits")
    elif type(value) is float:
        if not math.isfinite(value):
            raise ValueError("numbers must be finite")
    else:
        raise ValueError("must be a JSON value")


def _label(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 255:
        raise ValueError("must be a string of 1 to 255 characters")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in value):
        raise ValueError("must have no control characters")
    return encodable(str.__str__(value))  # what is derived from it msgspec would not encode


def _text(value: object) -> str:
    text: str = _convert(value, Text)
    if "\0" in text:
        raise ValueError("must have no NUL")
    return text


def _translations(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("must be an object of language and text")
    wrong: list[tuple[str, str]] = []
    made: dict[str, str] = {}
    for tag, text in value.items():
        language = _attempt(wrong, _step(tag), canonical, tag)
        if language in made:
            wrong.append((_step(tag), f"is {language}, which is there already"))
        made[language] = _attempt(wrong, _step(tag), _text, text)
    if len(made) > MAX_TRANSLATIONS:
        wrong.append(("", f"must have at most {MAX_TRANSLATIONS} languages"))
    if wrong:
        raise FieldErrors(wrong)
    return made


def _struct(kind: type[S]) -> Callable[[Any], S]:
    """A Struct from a mapping with the outside's names, or from one of its own kind."""
    fields = msgspec.structs.fields(kind)
    outside = {f.encode_name: (f.name, _parser(f.type)) for f in fields}

    def parse(value: object) -> S:
        given = value
        if isinstance(value, kind):
            given = msgspec.to_builtins(value, builtin_types=(datetime,))
        if not isinstance(given, Mapping):
            raise ValueError("must be an object")
        wrong: list[tuple[str, str]] = []
        parsed: dict[str, Any] = {}
        for name, item in given.items():
            if name in outside:
                attribute, parse_item = outside[name]
                parsed[attribute] = _attempt(wrong, _step(name), parse_item, item)
            else:
                wrong.append((_step(name), f"is not one of {', '.join(outside)}"))
        wrong += [
            (_step(f.encode_name), "must be given")
            for f in fields
            if f.required and f.encode_name not in given
        ]
        if wrong:
            raise FieldErrors(wrong)
        return kind(**parsed)

    return parse


def _callback(value: object) -> Any:
    if not callable(value):
        raise ValueError("must be a function")
    return value


def _byte_stream(value: object) -> AsyncIterable[bytes]:
    if not isinstance(value, AsyncIterable):
        raise ValueError("must be an async stream of bytes")
    return value


def _query(value: object) -> list[Term]:
    if not isinstance(value, str) or len(value) > MAX_QUERY:
        raise ValueError(f"must be a text of at most {MAX_QUERY} characters")
    return terms(encodable(value))


def _step(name: object) -> str:
    escaped = str(name)[:50].replace("~", "~0").replace("/", "~1")
    return "/" + escaped.encode("utf-8", "replace").decode()


_PARSERS: dict[Any, Callable[[Any], Any]] = {
    Id: parse_id,
    Party: party,
    Invites: lambda value: _each(value, party, MAX_INVITES),
    Ids: lambda value: _each(value, parse_id, MAX_IDS),
    Time: time,
    Json: json_value,
    Cursor: _cursor,
    SeqCursor: _seq_cursor,
    Label: _label,
    LanguageTag: canonical,
    ByteStream: _byte_stream,
    Callback: _callback,
    Query: _query,
    Text: _text,
    Translations: _translations,
}
