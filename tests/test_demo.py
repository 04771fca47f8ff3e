"""What the demo shows is in the store, and is all that was promised of it."""

from datetime import UTC, datetime, timedelta

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
