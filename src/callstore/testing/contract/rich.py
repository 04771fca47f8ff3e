"""A past with something in every field, of Ann's and of others beside her."""

from typing import Any

from callstore import Call, Calls, Party, Recording
from callstore.testing.clock import FakeClock
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import stream
from callstore.testing.contract.world import ANN, BOB, CAT, DAN, EVE, HALL, ROOM, row_of

OWN, THEIRS = "hers", "somebody else's"
"""In what is Ann's, and in what is not."""
ODD = f"{OWN} \x01\t\r\n\x7f\x85\u2028\ufffe ]]> & <b> \"'\\ 𝄞"
"""Text that is not easily written."""
SOUND = bytes(range(256)) * 2000


async def past(calls: Calls, clock: FakeClock) -> list[Call]:
    """Ann's calls, as they have ended: she talks with several, comes back, rings in vain, declines,
    misses, hides; and one that she is in."""
    made = [
        await talk(calls, clock),
        await rung(calls, clock, "cancel"),
        await rung(calls, clock, "decline"),
        await refused(calls, clock),
        await missed(calls, clock),
    ]
    await calls.hide(ANN, [made[2].id])
    live = await calls.start(HALL, BOB, invite=[ANN])
    await calls.join(live.id, ANN, device=device(OWN))
    return [await calls.get(call.id) for call in (*made, live)]


def device(whose: str) -> dict[str, str]:
    return {"browser": whose, "os": whose, "deviceType": whose}


async def talk(calls: Calls, clock: FakeClock) -> Call:
    call = await calls.start(ROOM, ANN, invite=[BOB, CAT, DAN], settings={})
    for party in (BOB, CAT):
        await calls.join(call.id, party, device=device(THEIRS))
    await calls.decline(call.id, DAN)
    await calls.leave(call.id, ANN)
    clock.advance(7)
    await calls.join(call.id, ANN, device=device(OWN), screen=True)
    for party, whose in ((ANN, OWN), (BOB, THEIRS), (CAT, THEIRS)):
        await calls.connected(call.id, party)
        await calls.set_media(call.id, party, video=False)
        await calls.set_transports(call.id, party, **transports(whose))
        await speak(calls, clock, call, party, whose)
    await measure(calls, clock, call)
    await record(calls, call, ANN)
    failed = await calls.recordings.start(call.id, ANN)
    await calls.recordings.fail(failed.id, reason=f"{OWN} has failed")
    await record(calls, call, BOB)
    failed = await calls.recordings.start(call.id, BOB)
    await calls.recordings.fail(failed.id, reason=f"{THEIRS} has failed")
    ended = await calls.end(call.id, by=ANN)
    await calls.quality.analyse(call.id)
    clock.advance(60)
    return ended


def transports(whose: str) -> dict[str, str]:
    return {
        "send_transport_id": f"{whose} 1",
        "recv_transport_id": f"{whose} 2",
        "audio_producer_id": f"{whose} 3",
        "video_producer_id": f"{whose} 4",
    }


async def speak(calls: Calls, clock: FakeClock, call: Call, party: Party, whose: str) -> None:
    """The last segment has the first number, so that time and segments go in different orders."""
    for n in range(8, 0, -1):
        clock.advance(1)
        said: dict[str, Any] = {"segment_id": f"{whose} {n}", "language": "en"}
        if n % 2:
            said["translations"] = {"fr": f"{whose} {n}", "de": whose}
        text = ODD if whose == OWN and n == 4 else f"{whose} {n}"
        await calls.captions.add(call.id, party, text=text, is_final=n != 3, **said)


async def measure(calls: Calls, clock: FakeClock, call: Call) -> None:
    """Reports of a connection that is bad for a while."""
    for n in range(1, 15):
        clock.advance(5)
        for party in (ANN, BOB):
            report = report_at(clock(), 250 * n, lost=60 * n)
            await calls.quality.report(call.id, party, report)


async def record(calls: Calls, call: Call, party: Party) -> Recording:
    row = await calls.recordings.start(call.id, party)
    await calls.recordings.stop(row.id)
    return await calls.recordings.put(row.id, stream(SOUND + party.id.encode()))


async def rung(calls: Calls, clock: FakeClock, how: str) -> Call:
    """Of Ann's: she gives up, or Eve declines."""
    call = await calls.start(HALL, ANN, invite=[EVE], type="audio")
    clock.advance(3)
    who = {"cancel": ANN, "decline": EVE}[how]
    ended: Call = await getattr(calls, how)(call.id, who)
    clock.advance(60)
    return ended


async def refused(calls: Calls, clock: FakeClock) -> Call:
    call = await calls.start(ROOM, BOB, invite=[ANN])
    clock.advance(60)
    return await calls.decline(call.id, ANN)


async def missed(calls: Calls, clock: FakeClock) -> Call:
    call = await calls.start(ROOM, CAT, invite=[ANN])
    clock.advance(61)
    return await calls.expire(call.id)


async def of_others(calls: Calls, made: list[Call]) -> set[str]:
    """What names or describes others in these calls: nothing of it is Ann's to be given."""
    found = {THEIRS, *(party.id for party in (BOB, CAT, DAN, EVE))}
    for call in made:
        found |= {row.id for row in call.participants or () if row.party != ANN}
        recordings = await calls.recordings.list(call.id)
        found |= {row.id for row in recordings if row.requester != ANN}
        found |= {row.sha256 for row in recordings if row.sha256 and row.requester != ANN}
        captions = await calls._store.captions(call.id)
        own = (await row_of(calls, call.id, ANN)).id if _was_there(call) else None
        found |= {row.id for row in captions if row.participant_id != own}
    for party in (BOB, CAT, DAN, EVE):
        found |= {entry.id for entry in (await calls.log(party)).items}
    return found


def _was_there(call: Call) -> bool:
    return any(row.party == ANN for row in call.participants or ())
