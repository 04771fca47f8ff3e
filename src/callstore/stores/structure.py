"""What a store is asked for of its own making: tables or collections, indexes, rules."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from callstore.schema.adoption.model import Adopted, Found, Problem, Raw
from callstore.schema.model import SchemaStep
from callstore.schema.shape import Change, CollectionShape, Definition, Shape
from callstore.schema.steps import Fill, Values

Progress = Callable[[str, int, int], object]
"""Told what is done, how much of it, and of how much: about, for an engine may not know."""


def untold(what: str, done: int, total: int) -> None:
    """A Progress for nobody."""


class ProbeRow(Struct, frozen=True, kw_only=True):
    """A row to try; with `spoiled`, the value of that field is one that it must not have."""

    collection: str
    row: Any
    spoiled: str | None = None


class Adopting(Protocol):
    """Taking over calls that something else wrote into collections of the document's names. What
    is read is what is there, a batch at a time; each method raises as those of a Store do."""

    async def live_calls(self) -> list[Raw]:
        """The id, conversationId and createdAt of every call that says it is live."""

    async def found(self, after: Any, limit: int) -> tuple[list[Found], Any]:
        """Of the next `limit` calls by id those that have rows to take over, and where the next
        ones begin (None: there are none). Five queries, by the document's indexes."""
        ...

    async def unusable(self) -> list[Problem]:
        """Of callstore's names, what is no collection that can be read and written as it must."""
        ...

    def strays(self) -> AsyncIterator[Problem]:
        """Rows that belong to no call that `found` gives, calls that it cannot give, and rows that
        are in a collection of callstore's own and not its."""
        ...

    async def lift_rules(self, wanted: Shape) -> None:
        """Lets no rule of a stranger's refuse what is put; those of `wanted` stay."""

    async def hold_rules(self, wanted: Shape) -> None:
        """From here on rows that do not fit `wanted` are refused; those that are there stay."""

    async def late(self) -> list[str]:
        """The ids of calls of which anything is not callstore's yet, or something else has changed
        since. Reads everything, once."""
        ...

    async def take_over(
        self, ids: Sequence[str], decide: Callable[[list[Found]], list[Adopted]]
    ) -> None:
        """Reads these calls, asks `decide`, writes what it gives over what was found, in one
        transaction; `decide` may be asked again. Conflict where rows do not fit."""

    async def delete(self, collection: str, ids: Sequence[str]) -> None: ...

    def in_the_way(self, index: Definition, wanted: CollectionShape) -> bool:
        """Whether an index would refuse or delete rows that callstore keeps, or keeps one of the
        wanted from being built."""
        ...


class Structure(Protocol):
    """Each method raises as those of a Store do. What only asks makes nothing."""

    @property
    def kind(self) -> str:
        """Which of the shapes that steps keep is this store's: sqlite or mongodb."""
        ...

    def rows_per_second(self, index: Definition) -> int:
        """That a build of the index goes through, about. One of words has many entries a row."""
        ...

    @property
    def adopting(self) -> Adopting | None:
        """None where nothing else can have written."""
        ...

    async def live(self) -> Shape:
        """What is there, a stranger's collections included."""

    async def count(self, collection: str, where: Values | None = None) -> int:
        """Its rows; about, where an exact number costs a scan. Exactly those that match `where`, as
        the condition of an index does."""

    async def has_values(self, collection: str, field: str) -> bool:
        """Whether the field is there, and not null in every row."""
        ...

    async def applied(self) -> list[SchemaStep]:
        """The steps that were applied, oldest first; empty for a new database."""

    async def create(self, shape: Shape, steps: Sequence[SchemaStep]) -> None:
        """Makes a new database of this shape, which has gone through these steps. Several may do it
        at once."""

    async def record(self, step: SchemaStep) -> None: ...
    async def forget(self, step: int) -> None: ...

    async def apply(self, change: Change, progress: Progress) -> None:
        """Does what is missing or changed. A field that must not be null is, until it is changed:
        there may be rows. Conflict where rows do not fit."""

    async def remove(self, change: Change) -> None:
        """Takes away what is unknown; of a field that is not there, nothing."""

    async def lacking(self, fill: Fill, after: Any, limit: int) -> list[Any]:
        """The keys of the next rows that lack it, behind this one (None: the first), in the order
        of the collection's key. Reads what is between; nobody waits for it."""
        ...

    async def fill(self, fill: Fill, keys: Sequence[Any]) -> None:
        """Fills those of these rows that lack it still, in short transactions."""

    async def probe(self, rows: Sequence[ProbeRow]) -> str | None:
        """Inserts the rows in a transaction that is rolled back. None: all were taken; else why the
        last one was refused. StoreError where an earlier one was."""

    async def holds(self) -> list[str]:
        """The ids of holds in force, and of those that calls are under; where there are many, some
        of them."""
        ...

    async def drop(self) -> None:
        """Everything that is callstore's."""

    def fields(self, shape: CollectionShape) -> tuple[str, ...]:
        """Those that rows have, of a shape that a step keeps."""
        ...

    def is_unique(self, index: Definition) -> bool: ...

    def identity(self, index: Definition) -> Any:
        """The engine refuses to have two that are equal in this, be it by two names."""
        ...

    def fields_of(self, index: Definition) -> tuple[str, ...]:
        """The fields of an index, in their order."""
        ...

    def is_replaced(self, index: Definition, left: CollectionShape) -> bool:
        """Whether another index or key that is left begins with the fields of this one, and is of
        all rows, or of the same."""
        ...
