"""Taking over a database that Prisma wrote: the plan's look at every row, then the taking over."""

import asyncio

from bench.harness import Figure, Options, Timing, mongod_in
from bench.mongo.ground import FIELDS, Client, indexes
from callstore import open_calls

CALLS, QUICK = 20_000, 1000


def run(options: Options) -> list[Figure]:
    with mongod_in(options.folder) as mongod:
        return asyncio.run(_run(mongod.url, QUICK if options.quick else CALLS))


async def _run(url: str, calls: int) -> list[Figure]:
    rows = await _prisma(url, calls)
    look, take = Timing(done=rows), Timing(done=rows)
    async with open_calls(f"{url}/prisma", check_schema=False) as store:
        with look.running():
            planned = await store.schema.plan()
        with take.running():
            await store.schema.up()
        assert (await store.doctor()).findings == []
    assert planned.adoption is not None
    assert planned.adoption.rows["CallSession"] == calls
    return [
        Figure("plan: rows looked at", look.rate, "/s", None, f"{rows:,} rows of {calls:,} calls"),
        Figure("CPU a row", look.cpu_each, "us"),
        Figure("up: rows taken over", take.rate, "/s", None, "with the look before it and indexes"),
        Figure("CPU a row", take.cpu_each, "us"),
        Figure("up: calls taken over", calls / take.seconds, "/s"),
    ]


async def _prisma(url: str, calls: int) -> int:
    """Seeded calls cut down to the document's fields, with its indexes; how many rows."""
    async with open_calls(f"{url}/seeded") as store:
        await store.seed(calls)
    async with Client(url) as client:
        for collection, models in indexes().items():
            fields = dict.fromkeys(FIELDS[collection].split(), 1)
            out = {"db": "prisma", "coll": collection}
            await client["seeded"][collection].aggregate([{"$project": fields}, {"$out": out}])
            await client["prisma"][collection].create_indexes(models)
        return sum([await client["prisma"][name].estimated_document_count() for name in FIELDS])
