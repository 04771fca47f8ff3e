"""Of the declaration of what is stored: what the law asks to be kept of its own doing."""

from callstore.privacy.model import AuditEntry, Erasure, Hold
from callstore.schema.declaration import PRESENT, Index, Rule, collection, expiry

_HOLDABLE = ("callSessionId", "conversationId", "party")
_UNRELEASED = {"releasedAt": None}
HOLD = collection(
    "CallHold",
    Hold,
    of_call=False,
    shard=(),
    rules=(
        Rule(
            name="exactlyOneThing",
            sql="(callSessionId IS NULL) + (conversationId IS NULL) + (party IS NULL) = 2"
            " OR (callSessionId IS NULL AND conversationId IS NULL AND party IS NULL"
            " AND anonymizedAt IS NOT NULL)",
            mongo={
                "$or": [
                    *(
                        {n: {"$ne": None} if n == held else None for n in _HOLDABLE}
                        for held in _HOLDABLE
                    ),
                    {**dict.fromkeys(_HOLDABLE), "anonymizedAt": {"$type": "date"}},
                ]
            },
        ),
    ),
    indexes=(
        *(
            Index(
                name=f"CallHold_{name}",
                fields=(name,),
                where={name: PRESENT, **_UNRELEASED},
                serves="whether it is under a hold",
            )
            for name in _HOLDABLE
        ),
        Index(
            name="CallHold_released",
            fields=("party",),
            where={"party": PRESENT, "releasedAt": PRESENT},
            serves="erasure: released holds that name the party",
        ),
        Index(
            name="CallHold_unsettled",
            fields=("settled",),
            where={"settled": False},
            serves="sweep: holds that not every call knows of yet",
        ),
        Index(
            name="CallHold_until",
            fields=("until",),
            where={"until": PRESENT, **_UNRELEASED},
            serves="sweep: holds that are over",
        ),
        Index(
            name="CallHold_placed",
            fields=("placedAt", "id"),
            serves="holds, the latest first",
        ),
        expiry("CallHold"),
    ),
)

ERASURE = collection(
    "CallErasure",
    Erasure,
    of_call=False,
    shard=(),
    indexes=(
        Index(
            name="CallErasure_pending",
            fields=("status",),
            where={"status": "pending"},
            serves="sweep: erasures that are not done",
        ),
        Index(
            name="CallErasure_party",
            fields=("partyHash", "requestedAt", "id"),
            serves="a party's receipts",
        ),
        Index(
            name="CallErasure_requested",
            fields=("requestedAt", "id"),
            serves="receipts, the newest first",
        ),
        expiry("CallErasure"),
    ),
)

AUDIT = collection(
    "CallAudit",
    AuditEntry,
    key=("seq",),
    of_call=False,
    shard=(),
    ttl=False,  # only the oldest end goes
    indexes=(
        Index(
            name="CallAudit_party",
            fields=("partyHash", "seq"),
            where={"partyHash": PRESENT},
            serves="export: what was done to a party",
        ),
    ),
)
