"""What a store offers that lies where the host's own collections do: to follow their deletions."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from msgspec import Struct


class Deletion(Struct, frozen=True, kw_only=True):
    collection: str  # as it was asked for
    id: str


class Seen(Struct, frozen=True, kw_only=True):
    """What came next, None: nothing for a while; and `place`, from where to go on once it is
    done."""

    place: str
    deletion: Deletion | None = None


class Watching(Protocol):
    def follow(self, collections: Sequence[str], place: str | None) -> AsyncGenerator[Seen, None]:
        """Deletions in these collections of the host's (`name` beside callstore's, or
        `database.name`) after `place`, None: from now on; in their order, at least once. Begins
        with a Seen without a deletion as soon as nothing can be missed any more, and gives one
        every half a second while nothing happens. Rows whose id is no id of callstore's are passed
        over.

        Raises NotFound for a collection that is not there when a watch begins; StoreUnavailable
        where following may go on from the last place; StoreError where it cannot: the changes since
        `place` are not there any more, or the collection itself was dropped or renamed.
        """
        ...
