"""Erases, deletes or expires, and is killed, at one step further each time, until it comes through.

python -m tests.privacy.cut erase|delete_conversation|retention|sweep STORE RECORDINGS ID…
"""

import sys

from tests.cutting import Steps, live_on

from callstore import User, open_calls
from callstore.recordings.files import Files
from callstore.stores.group import Group
from callstore.stores.mongo.papers import MongoPapers
from callstore.stores.mongo.store import MongoStore
from callstore.stores.sqlite.papers import SqlitePapers
from callstore.stores.sqlite.store import SqliteStore

SETTINGS = {"secret": "s", "keep_calls_days": 0.01, "keep_captions_days": 0.01}
SETTINGS |= {"keep_samples_days": 0.01, "keep_recordings_days": 0.01}


def main() -> None:
    what, store, recordings, *ids = sys.argv[1:]
    on_mongo = store.startswith("mongodb")

    async def life(steps: Steps, id: str) -> None:
        async with open_calls(store, recordings=recordings, settings=SETTINGS) as calls:
            steps.cut(Group, ["submit"])
            steps.cut(
                MongoStore if on_mongo else SqliteStore,
                ["change_lease", "stamp", "expire_calls", "expire_rows"],
            )
            steps.cut(
                MongoPapers if on_mongo else SqlitePapers,
                ["change_erasure", "erase_late", "forget_holds", "scrub"],
            )
            steps.cut(Files, ["remove"])
            if what == "erase":
                await calls.privacy.erase(User(id))
            elif what == "delete_conversation":
                await calls.privacy.delete_conversation(id)
            elif what == "retention":
                await calls.retention.run()
            else:
                await calls.sweep()

    live_on(life, ids)


if __name__ == "__main__":
    main()
