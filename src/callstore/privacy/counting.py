"""What an erasure counts. Pure."""

from collections.abc import Iterable

from callstore.calls.lifecycle.turn import Erased
from callstore.calls.model import replace
from callstore.privacy.model import Counts, Erasure, Lately


def counted(counts: Counts, collection: str, field: str, more: int) -> None:
    """Adds to `counts`; what is none is not named."""
    if more:
        of = counts.setdefault(collection, {})
        of[field] = of.get(field, 0) + more


def summed(parts: Iterable[Counts]) -> Counts:
    total: Counts = {}
    for part in parts:
        for collection, fields in part.items():
            for field, count in fields.items():
                counted(total, collection, field, count)
    return total


def of_holds(forgotten: int) -> Counts:
    """What released holds no longer say."""
    return {"CallHold": {"party": forgotten, "reason": forgotten}} if forgotten else {}


def with_late(erasure: Erasure, rows: Iterable[Lately], counts: Counts) -> Erasure:
    """The erasure once what came late in these is gone as well."""
    done = [*rows]
    left = [row for row in erasure.lately if row not in done]
    return replace(erasure, counts=summed((erasure.counts, counts)), lately=left)


def with_gone(erasure: Erasure, gone: Iterable[Erased]) -> Erasure:
    """The erasure once these have gone as well."""
    listed = list(gone)
    lately = [
        Lately(
            conversation_id=each.call.conversation_id,
            call_session_id=each.call.id,
            participant_id=each.participant.id if each.participant else None,
            at=each.at,
        )
        for each in listed
        if each.lately and (each.party is None or each.participant is not None)
    ]
    counts = summed((erasure.counts, *(each.counts for each in listed)))
    kept = [*erasure.kept, *(item for each in listed for item in each.kept)]
    return replace(erasure, counts=counts, kept=kept, lately=[*erasure.lately, *lately])
