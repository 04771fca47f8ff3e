"""What the demo shows is in the store, and is all that was promised of it."""

import wave
from datetime import UTC, datetime, timedelta
from io import BytesIO

from callstore import Call, open_calls
from callstore.demo import Scene, begins_now, cast, play


async def test_the_demo_plays_whole_lives_from_real_recordings() -> None:
    players, clock = cast(), begins_now()
    seen: list[tuple[Scene, Call, list[str]]] = []
    async with open_calls("memory:", clock=clock, describe=lambda _: players.names) as calls:

        async def shown(scene: Scene) -> None:
            call = await calls.get(scene.call_id)
            seen.append((scene, call, [e.type for e in await calls.timeline(call.id)]))

        await play(calls, clock, players, shown)
        analysed = [
            await calls.quality.get(call.id) for _, call, _ in seen if call.outcome == "answered"
        ]
        history = await calls.history(players.conversation)
        log = await calls.log(players.ben)
        assert (await calls.doctor()).findings == []

    assert [call.outcome for _, call, _ in seen] == [
        "missed",
        "answered",
        "declined",
        "answered",
        "answered",
    ]
    types = [type for _, _, found in seen for type in found]
    for type in (
        "call.ringing",
        "participant.failed",
        "participant.declined",
        "participant.left",
        "media.changed",
    ):
        assert type in types
    good, spike, congested = (call for _, call, _ in seen if call.outcome == "answered")
    assert (good.mode, good.mode_switch_count, good.peak_participants) == ("p2p", 2, 3)
    assert any(len(row.stints) == 2 for row in spike.participants or ())
    assert "wifi" in seen[1][0].source
    scores = [one.quality_score for one in analysed]
    assert scores[0] > scores[2] > scores[1]  # type: ignore[operator]
    assert {i.type for i in analysed[0].network_issues} == set()
    assert {"high_packet_loss", "reconnection"} <= {i.type for i in analysed[1].network_issues}
    assert {i.type for i in analysed[2].network_issues} == {"bandwidth_limited"}
    assert len(analysed[2].participant_metrics) == 2  # who declined without joining has none
    assert [call.id for call in history.items] == [call.id for _, call, _ in reversed(seen)]
    assert history.items[0].names
    assert {entry.response for entry in log.items} == {"missed", "accepted", "declined"}
    ended = congested.ended_at
    assert ended is not None
    assert abs(datetime.now(UTC) - ended) < timedelta(minutes=1)  # shifted to end now


async def test_one_of_them_has_captions_in_two_languages_and_a_recording() -> None:
    players, clock = cast(), begins_now()
    titles: dict[str, str] = {}
    async with open_calls("memory:", clock=clock) as calls:

        async def shown(scene: Scene) -> None:
            titles[scene.title] = scene.call_id

        await play(calls, clock, players, shown)
        call_id = titles["A good call, a third party, and back"]
        captions = (await calls.captions.list(call_id)).items
        (row,) = await calls.recordings.list(call_id)
        sound = b"".join([chunk async for chunk in calls.recordings.open(row.id)])
    assert {caption.language for caption in captions} == {"en", "fr"}
    assert all(caption.translations for caption in captions)
    assert (row.status, row.format) == ("available", "wav")
    with wave.open(BytesIO(sound)) as file:
        assert file.getnframes() == file.getframerate() * row.duration > 0
