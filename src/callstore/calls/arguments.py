"""What the methods of `Calls` take that is no command: checked like one."""

from typing import Annotated

from msgspec import Meta, Struct

from callstore.calls.commands import Most, Seq
from callstore.calls.model import Party
from callstore.ids import Id
from callstore.validation import Ids, Time


class OfCall(Struct, frozen=True, kw_only=True):
    call_id: Id


class OfConversation(Struct, frozen=True, kw_only=True):
    conversation_id: Id


class OfParty(Struct, frozen=True, kw_only=True):
    party: Party
    call_ids: Ids | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    call_id: Id
    after: Seq
    limit: Most | None


class StateAt(Struct, frozen=True, kw_only=True):
    call_id: Id
    at: Time


class Seed(Struct, frozen=True, kw_only=True):
    count: Annotated[int, Meta(ge=1, le=100_000_000)]
    seed: int
    until: Time | None


class Sweep(Struct, frozen=True, kw_only=True):
    now: Time | None
