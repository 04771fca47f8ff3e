"""kill -9 under load, twenty times: what was acknowledged is there, and all of it agrees."""

import random
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.stores.processes import go, workers

from callstore import Calls, open_calls
from callstore.testing.contract.world import check_call

TIMES = 20

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]


async def test_every_acknowledged_command_survives(tmp_path: Path) -> None:
    url, database = f"sqlite:///{tmp_path}/calls.db", tmp_path / "calls.db"
    dice, acknowledged = random.Random(1), 0
    async with open_calls(url):
        pass
    for time in range(TIMES):
        file = tmp_path / f"acknowledged.{time}"
        kill_under_load(url, file, seed=time, after=dice.uniform(0.02, 0.4))
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        async with open_calls(url) as calls:
            report = await calls.doctor()
            assert {finding.problem for finding in report.findings} <= {"overdue"}
            lines = file.read_text().splitlines() if file.exists() else []
            acknowledged += len(lines)
            for line in lines:
                await check_acknowledged(calls, line)
            for id in {line.split()[1] for line in lines[-40:]}:
                await check_call(calls, id)
    assert acknowledged > TIMES * 10


def kill_under_load(url: str, file: Path, *, seed: int, after: float) -> None:
    arguments = {"file": str(file), "seed": seed, "tasks": 16}
    with workers("load", url, [arguments]) as (worker,):
        go(worker)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=after)
        assert worker.poll() is None, "the load ended by itself"
        worker.kill()
        worker.wait()


async def check_acknowledged(calls: Calls, line: str) -> None:
    what, call_id, event_count, version = line.split()
    call = await calls.get(call_id)
    assert call.version >= int(version)
    assert call.event_count >= int(event_count)
    if what == "end":
        assert not call.live
    if what.startswith("said:"):
        listed = (await calls.captions.list(call_id)).items
        found = (await calls.captions.search("said", call_id=call_id)).items
        assert [caption.id for caption in listed] == [what.removeprefix("said:")]
        assert found == listed
    if what.startswith("join:"):
        events = await calls.timeline(call_id)
        joined = {e.party.ref for e in events if e.type == "participant.joined" and e.party}
        assert what.removeprefix("join:") in joined
