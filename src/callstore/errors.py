"""Everything callstore raises.

    CallstoreError                        500  callstore_error
    ├── NotFound                          404  call_not_found, participant_not_found, …
    ├── Conflict                          409  conflict
    │   ├── CallAlreadyLive               409  call_already_live    .call_id
    │   ├── CallEnded                     409  call_ended           .call_id
    │   ├── CallFull                      409  call_full            .limit
    │   └── InvalidTransition             409  invalid_transition
    ├── Invalid                           422  invalid              .errors
    ├── Forbidden                         403  forbidden
    ├── Held                              423  held                 .holds
    └── StoreError                        503  store_error
        ├── StoreUnavailable              503  store_unavailable    .outcome_unknown
        ├── Busy                          503  busy
        └── SchemaMismatch                503  schema_mismatch

`code` is stable and meant for programs; the message is meant for people and may change.
`status` is the HTTP status an error maps to. No error of a driver gets out of callstore.
"""

from collections.abc import Sequence
from typing import Any, Self


class CallstoreError(Exception):
    code = "callstore_error"
    status = 500

    def __reduce__(self) -> tuple[Any, ...]:
        # The leaves take other arguments than the message they are shown with.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[CallstoreError], args: tuple[Any, ...], state: dict[str, Any]
) -> CallstoreError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class NotFound(CallstoreError):
    """There is no such thing; `code` says of what kind: `call_not_found` for a call."""

    status = 404

    def __init__(self, what: str, which: str) -> None:
        super().__init__(f"no {what} {which}")
        self.code = f"{what.replace(' ', '_')}_not_found"


class Conflict(CallstoreError):
    """The command does not fit what is stored."""

    code = "conflict"
    status = 409


class CallAlreadyLive(Conflict):
    """The conversation has a live call: join that one."""

    code = "call_already_live"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"call {call_id} is live in this conversation")
        self.call_id = call_id


class CallEnded(Conflict):
    """The call is over, and an ended call stays ended."""

    code = "call_ended"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"call {call_id} has ended")
        self.call_id = call_id


class CallFull(Conflict):
    """Every seat of the call is taken."""

    code = "call_full"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the call is full: {limit} are seated")
        self.limit = limit


class InvalidTransition(Conflict):
    """The call, or the party in it, is not in a state that allows the command."""

    code = "invalid_transition"


class Invalid(CallstoreError):
    """Malformed input. `errors` names every wrong field: (JSON pointer, message)."""

    code = "invalid"
    status = 422

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {message}" for pointer, message in errors))
        self.errors = list(errors)

    @classmethod
    def field(cls, pointer: str, message: str) -> Self:
        return cls([(pointer, message)])


class Forbidden(CallstoreError):
    """The party may not do this in this call."""

    code = "forbidden"
    status = 403


class Held(CallstoreError):
    """A legal hold keeps this from being deleted. `holds` are their ids."""

    code = "held"
    status = 423

    def __init__(self, message: str, holds: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.holds = [*holds]


class StoreError(CallstoreError):
    """The store could not do it; nothing is half done."""

    code = "store_error"
    status = 503


class StoreUnavailable(StoreError):
    """The store cannot be reached or cannot write now.

    `outcome_unknown` is True where the command may have been committed all the same.
    """

    code = "store_unavailable"

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class Busy(StoreError):
    """Others kept the store busy until the command's deadline; nothing was done."""

    code = "busy"


class SchemaMismatch(StoreError):
    """The database is not at the schema this code needs."""

    code = "schema_mismatch"
