"""Follows the host's own deletions: what it deletes of its conversations, users and guests goes
here too."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from callstore.calls.model import Label, Party, Row, User
from callstore.errors import Busy, NotFound, StoreError, StoreUnavailable
from callstore.privacy.model import EraseMode, Receipt
from callstore.privacy.parties import PURPOSE
from callstore.schema.model import MOST_TOKEN, Lease
from callstore.schema.tables import BY_NAME
from callstore.settings import Settings
from callstore.stores import leases
from callstore.stores.holding import holding
from callstore.stores.protocol import Store
from callstore.stores.watching import Deletion, Seen, Watching
from callstore.validation import FieldErrors, check

_log = logging.getLogger("callstore")

What = Literal["conversation", "user", "guest"]
Name = Annotated[str, Meta(max_length=200, pattern=r"^[^.$\s][^$\x00-\x1f]*$")]
SAVE_EVERY = 60
"""Seconds after which the place is written though nothing happened: databases forget old ones."""
_LONGEST_PAUSE = 30  # seconds


class Watched(Row, frozen=True, kw_only=True):
    """A deletion of the host's that was followed. `receipt` is null where it could not be, which
    the log says more of, and where there was nothing of it."""

    what: What
    id: str
    receipt: Receipt | None


class WatchReport(Row, frozen=True, kw_only=True):
    followed: int = 0
    failed: int = 0


Tell = Callable[[Watched], object]


class Delete(Protocol):
    def __call__(self, id: str, /, *, by: str | None) -> Awaitable[Receipt]: ...


class Erase(Protocol):
    def __call__(
        self, party: Party, /, *, mode: EraseMode, by: str | None
    ) -> Awaitable[Receipt]: ...


class _Asked(Struct, frozen=True, kw_only=True):
    conversations: Name | None
    users: Name | None
    guests: Name | None
    mode: EraseMode
    by: Label | None
    from_now: bool

    def __post_init__(self) -> None:
        wrong = [
            (f"/{each}s", "is one of callstore's own") for each, n in self._named if n in BY_NAME
        ]
        names = [name for _, name in self._named]
        if not names:
            wrong.append(("/conversations", "of conversations, users, guests one must be given"))
        for each, name in self._named:
            if names.count(name) > 1:
                wrong.append((f"/{each}s", "is given twice"))
        if wrong:
            raise FieldErrors(wrong)

    @property
    def _named(self) -> list[tuple[What, str]]:
        pairs: list[tuple[What, str | None]] = [
            ("conversation", self.conversations),
            ("user", self.users),
            ("guest", self.guests),
        ]
        return [(what, name) for what, name in pairs if name is not None]

    @property
    def collections(self) -> dict[str, What]:
        return {name: what for what, name in self._named}


class Watcher:
    """The three say what a deletion does here: `Privacy`'s own. Each may be asked again for what
    it has done already."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
        delete_conversation: Delete,
        erase: Erase,
        delete_guest: Delete,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._delete_conversation = delete_conversation
        self._erase = erase
        self._delete_guest = delete_guest

    async def run(
        self,
        *,
        stop: asyncio.Event,
        conversations: str | None = None,
        users: str | None = None,
        guests: str | None = None,
        mode: EraseMode = "anonymise",
        by: str | None = "watch",
        from_now: bool = False,
        tell: Tell = lambda _: None,
    ) -> WatchReport:
        """Follows deletions in these collections of the host's (`name` in the store's own database,
        or `database.name`) until `stop`; `tell` is told of each.

        Each is followed at least once, from where the last watch ended, whatever ended it; the
        first, and one `from_now`, begins now. One watch at a time works, others wait for it to end.
        A store that is away is waited for. What cannot be followed is logged and passed over.

        StoreError where the store is not MongoDB, where there is no secret, and where changes were
        missed: see `Watching.follow`. NotFound for a collection that is not there.
        """
        asked = check(
            _Asked,
            conversations=conversations,
            users=users,
            guests=guests,
            mode=mode,
            by=by,
            from_now=from_now,
        )
        watching = self._store.watching
        if watching is None:
            raise StoreError("the host's collections are in MongoDB: watch needs a store there")
        if users or guests:
            self._settings.key(PURPOSE)  # else each of them would fail
        acts: dict[What, Callable[[str], Awaitable[Receipt]]] = {
            "conversation": lambda id: self._delete_conversation(id, by=asked.by),
            "user": lambda id: self._erase(User(id), mode=asked.mode, by=asked.by),
            "guest": lambda id: self._delete_guest(id, by=asked.by),
        }
        watch = _Watch(self._store, watching, self._clock, asked, acts, stop, tell)
        await watch.run()
        return WatchReport(followed=watch.followed, failed=watch.failed)


class _Watch:
    """One run of a watcher."""

    def __init__(
        self,
        store: Store,
        watching: Watching,
        clock: Callable[[], datetime],
        asked: _Asked,
        acts: Mapping[What, Callable[[str], Awaitable[Receipt]]],
        stop: asyncio.Event,
        tell: Tell,
    ) -> None:
        self._store = store
        self._watching = watching
        self._clock = clock
        self._collections = asked.collections
        self._from_now = asked.from_now
        self._acts = acts
        self._stop = stop
        self._tell = tell
        self._place: str | None = None  # up to which all is done
        self._saved = (-float(SAVE_EVERY), "")  # when, which
        self._tries = 0
        self.followed = 0
        self.failed = 0

    async def run(self) -> None:
        refusal = Busy("another watches")
        while not self._stop.is_set():
            try:
                async with holding(
                    self._store, leases.WATCH, self._clock, refusal=refusal
                ) as holder:
                    await self._follow(holder)
            except (Busy, StoreUnavailable) as error:
                await self._wait(f"nothing is followed now: {error}")

    async def _follow(self, holder: str) -> None:
        place = self._place or await self._saved_place()
        async with aclosing(self._watching.follow([*self._collections], place)) as seen:
            async for one in seen:
                self._tries = 0
                if self._stop.is_set() or not await self._done(one.deletion):
                    return
                self._place = one.place
                await self._save(holder, one)

    async def _saved_place(self) -> str | None:
        found: list[Lease | None] = []
        await self._store.change_lease(leases.WATCH, found.append)
        return None if self._from_now or not found[-1] else found[-1].token

    async def _done(self, deletion: Deletion | None) -> bool:
        """False: it was told to stop before."""
        if deletion is None:
            return True
        what = self._collections[deletion.collection]
        receipt = None
        while not self._stop.is_set():
            try:
                receipt = await self._acts[what](deletion.id)
                self.followed += 1
                break
            except (Busy, StoreUnavailable) as error:
                await self._wait(f"the deletion of a {what} waits: {error}")
            except NotFound:
                break  # nothing is here of it
            except Exception:  # noqa: BLE001 - one must not keep the watch from all others
                _log.exception("%s %s could not be erased", what, deletion.id)
                self.failed += 1
                break
        else:
            return False
        self._tries = 0
        self._tell(Watched(what=what, id=deletion.id, receipt=receipt))
        return True

    async def _save(self, holder: str, seen: Seen) -> None:
        """Writes the place: of a deletion at once, else when it has moved and it is time to."""
        now = asyncio.get_running_loop().time()
        at, place = self._saved
        late = now - at >= SAVE_EVERY and seen.place != place
        if not (seen.deletion or late) or len(seen.place) > MOST_TOKEN:
            return
        change = leases.come_to(holder, seen.place)
        if await self._store.change_lease(leases.WATCH, change) is None:
            raise Busy("another watches")
        self._saved = (now, seen.place)

    async def _wait(self, why: str) -> None:
        """Longer each time, and until it is told to stop at most."""
        if self._tries == 0:
            _log.warning("%s", why)
        self._tries += 1
        longest = min(0.1 * 2**self._tries, _LONGEST_PAUSE)
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(longest / 2, longest)):
                await self._stop.wait()
