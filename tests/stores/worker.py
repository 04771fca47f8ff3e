"""A process of its own that works on a store: `python worker.py TASK URL ARGUMENTS`.

It opens the store, says "ready", waits for a line, works, and prints its results as JSON. With
`"late": true` it opens the store only when it was told to go.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import Awaitable, Iterable
from typing import Any

from callstore import Calls, errors, open_calls
from callstore.testing.data import chosen_id, conversation, user

Arguments = dict[str, Any]


async def outcome_of(work: Awaitable[Any]) -> tuple[str, str | None]:
    """The name of the result's or refusal's class, and the call it is about."""
    try:
        result = await work
    except errors.CallstoreError as error:
        return type(error).__name__, getattr(error, "call_id", None)
    return type(result).__name__, getattr(getattr(result, "call", result), "id", None)


async def at_once(works: Iterable[Awaitable[Any]]) -> list[tuple[str, str | None]]:
    return list(await asyncio.gather(*map(outcome_of, works)))


async def joins(calls: Calls, given: Arguments) -> Any:
    return await at_once(calls.join(given["call"], user(n)) for n in given["users"])


async def starts(calls: Calls, given: Arguments) -> Any:
    room = conversation(1)
    return await at_once(calls.start(room, user(given["me"])) for _ in range(given["times"]))


async def chosen(calls: Calls, given: Arguments) -> Any:
    work = (calls.start(conversation(1), user(1), call_id=chosen_id(1)) for _ in range(50))
    return await at_once(work)


async def ends(calls: Calls, given: Arguments) -> Any:
    return await at_once(calls.end(given["call"]) for _ in range(given["times"]))


async def leaves(calls: Calls, given: Arguments) -> Any:
    return await at_once(calls.leave(given["call"], user(n)) for n in given["users"])


async def joins_or_ends(calls: Calls, given: Arguments) -> Any:
    work: list[Awaitable[Any]] = [calls.join(given["call"], user(n)) for n in given["users"]]
    if given["ends"]:
        work.insert(len(work) // 2, calls.end(given["call"]))
    return await at_once(work)


async def answers_or_expires(calls: Calls, given: Arguments) -> Any:
    if given["me"] % 2:
        return await at_once(calls.expire(call) for call in given["calls"])
    return await at_once(calls.join(call, user(2)) for call in given["calls"])


async def answers_or_declines(calls: Calls, given: Arguments) -> Any:
    if given["me"] % 2:
        return await at_once(calls.decline(call, user(2)) for call in given["calls"])
    return await at_once(calls.join(call, user(2)) for call in given["calls"])


async def beats(calls: Calls, given: Arguments) -> Any:
    work: list[Awaitable[Any]] = [
        calls.heartbeat(given["call"], user(1 + n % 2)) for n in range(250)
    ]
    if given["me"] == 0:
        work.insert(100, calls.end(given["call"]))
    return await at_once(work)


async def lives(calls: Calls, given: Arguments) -> Any:
    """Whole lives of calls in rooms that the other processes use too."""
    results: list[Any] = []
    dice = random.Random(given["me"])
    for _ in range(given["times"]):
        room, me = conversation(dice.randint(1, 3)), user(10 + given["me"])
        results.append(await outcome_of(calls.start(room, me, invite=[user(9)])))
        id = results[-1][1]
        work = [calls.join(id, user(n)) for n in dice.sample(range(1, 20), 4)]
        results += await at_once([*work, calls.set_router(id, router_id=str(dice.random()))])
        results += await at_once([calls.leave(id, me), calls.end(id)][: dice.randint(0, 2)])
    return results


async def sweeps(calls: Calls, given: Arguments) -> Any:
    reports = [await calls.sweep() for _ in range(3)]
    return [("timed_out", str(sum(report.timed_out for report in reports)))]


async def notes(calls: Calls, given: Arguments) -> Any:
    """Privileged acts, a few of them at once."""
    record = calls.audit.record
    return await at_once(
        record("hold.place", by=str(given["me"]), data={"n": n}) for n in range(given["times"])
    )


async def load(calls: Calls, given: Arguments) -> Any:
    """Works until it is killed; what was acknowledged stands in a file, a line each."""
    acknowledged = os.open(given["file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(what: str, call: Any) -> None:
        line = f"{what} {call.id} {call.event_count} {call.version}\n"
        os.write(acknowledged, line.encode())

    async def work(n: int) -> None:
        dice = random.Random(given["seed"] * 100 + n)
        while True:
            room, crowd = conversation(dice.getrandbits(64)), dice.sample(range(1, 50), 5)
            call = await calls.start(room, user(crowd[0]), invite=[user(crowd[1])])
            note("start", call)
            for one in crowd[1:]:
                joined = await calls.join(call.id, user(one))
                note(f"join:{user(one).ref}", joined.call)
            said = await calls.captions.add(
                call.id, user(crowd[1]), segment_id="1", text=f"said in {room}", language="en"
            )
            note(f"said:{said.id}", joined.call)
            await calls.set_media(call.id, user(crowd[1]), screen=True)
            note("left", await calls.leave(call.id, user(crowd[2])))
            if dice.random() < 0.7:
                note("end", await calls.end(call.id))

    await asyncio.gather(*map(work, range(given["tasks"])))


TASKS = {
    task.__name__: task
    for task in (
        joins,
        starts,
        chosen,
        ends,
        leaves,
        joins_or_ends,
        answers_or_expires,
        answers_or_declines,
        beats,
        lives,
        sweeps,
        notes,
        load,
    )
}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(task: str, url: str, given: Arguments) -> None:
    if given.get("late"):
        say("ready")
        sys.stdin.readline()
    async with open_calls(url) as calls:
        if not given.get("late"):
            say("ready")
            sys.stdin.readline()
        say(json.dumps(await TASKS[task](calls, given)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
