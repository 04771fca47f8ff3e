"""Who was there and what was on decides which time counts, and how."""

import random

import pytest
from tests.quality.builders import (
    ANA,
    BRUNO,
    CHIDI,
    Events,
    Series,
    analysed,
    at,
    call,
    of,
    participant,
    together,
)

from callstore.calls.model import Stint
from callstore.quality.analyse import analyse
from callstore.quality.presence import Presence, presences


def test_nothing_is_scored_while_nobody_has_anything_on() -> None:
    events = Events().join(0, ANA).join(20, BRUNO).tell("participant.left", 40, BRUNO)
    samples = Series().run(20, packets=0).run(20).run(20, packets=0).samples
    ana = of(analysed(samples, events.tell("call.ended", 60)))
    assert (ana.scored_seconds, ana.avg_quality) == (20, 100)


def test_muted_media_is_off() -> None:
    events = Events().join(0, ANA).join(0, BRUNO, video=False)
    events.tell("media.changed", 30, BRUNO, audio=False, video=False, screen=False)
    samples = Series().run(30, fps=1).run(30, packets=0).samples
    ana = of(analysed(samples, events.tell("call.ended", 60)))
    assert (ana.scored_seconds, ana.avg_quality) == (30, 100)  # the picture was not on


def test_before_it_is_connected_silence_is_no_outage() -> None:
    events = together(ANA, BRUNO, end=30)
    unconnected = [e for e in events.all if e.type != "participant.connected"]
    events.all = unconnected
    assert of(analysed(Series().run(30, packets=0).samples, events)).scored_seconds == 0


def test_time_after_leaving_is_not_scored_and_time_after_losing_is_0() -> None:
    for closed, expected in (("participant.left", 39), ("participant.lost", 59)):
        events = Events().join(0, ANA).join(0, BRUNO)
        events.tell(closed, 20, ANA).join(40, ANA).tell("call.ended", 60)  # type: ignore[arg-type]
        samples = Series().run(20).pause(20).run(20).samples
        ana = of(analysed(samples, events))
        assert ana.scored_seconds == expected, closed
        assert ana.avg_quality == (
            100 if expected == 39 else pytest.approx(0.7 * 3900 / 59, abs=0.01)
        )


def test_who_never_came_back_is_not_scored_after() -> None:
    events = Events().join(0, ANA).join(0, BRUNO).tell("participant.failed", 20, ANA)
    ana = of(analysed(Series().run(20).samples, events.tell("call.ended", 60)))
    assert (ana.scored_seconds, ana.avg_quality) == (20, 100)


def test_a_screen_has_no_frame_rate_to_keep() -> None:
    events = Events().join(0, ANA).join(0, BRUNO, video=False, screen=True)
    events.tell("call.ended", 60)
    made = Series().run(30, fps=30).run(30, fps=2)
    ana = of(analysed(made.samples, events))
    assert ana.avg_quality == 100
    assert "low_fps" not in [issue.type for issue in ana.issues]
    camera = of(analysed(made.samples))
    assert camera.avg_quality < 60
    assert "low_fps" in [issue.type for issue in camera.issues]


def test_samples_before_the_start_and_after_the_end_are_not_scored() -> None:
    events = Events().join(0, ANA).join(20, BRUNO).tell("call.ended", 40)
    samples = Series().run(60).samples
    found = analyse(
        call(40, started=20), [], events.all, samples, now=at(90), new_id=lambda: "f" * 24
    )
    assert of(found).scored_seconds == 20
    assert found.windows[0].windows[0].start == at(20)


def test_a_call_without_events_is_told_by_its_rows() -> None:
    stints = [Stint(joined_at=at(0), left_at=at(30), reason="lost")]
    stints.append(Stint(joined_at=at(40), left_at=at(60), reason="ended"))
    people = [participant(ANA, stints), participant(BRUNO, [Stint(joined_at=at(0))])]
    samples = Series().run(30).pause(10).run(20).samples
    found = analysed(samples, Events(), participants=people)
    assert of(found).scored_seconds == 59
    assert [issue.type for issue in of(found).issues] == ["reconnection"]


def test_who_has_no_seat_is_not_scored() -> None:
    found = analysed(Series(CHIDI).run(30).samples + Series().run(60).samples)
    assert of(found, CHIDI).avg_quality is None
    assert found.quality_score == 100


def test_an_early_joiner_is_scored_from_the_answer_on() -> None:
    events = Events().join(0, BRUNO).join(0, ANA, answered=False)
    events.tell("participant.answered", 30, ANA).tell("call.ended", 60)
    samples = Series().run(30, packets=0).run(30).samples
    assert of(analysed(samples, events)).scored_seconds == 30
    assert of(analysed(samples, events)).avg_quality == 100


def test_a_large_room_tells_everyone_what_a_small_one_does() -> None:
    """Who has what on is counted, not asked of each: against asking each, at every second."""
    chance = random.Random(7)
    people = [f"{n:024x}" for n in range(1, 6)]
    events, state = Events(), dict.fromkeys(people, (False, False, False, False))
    told: list[tuple[float, dict[str, tuple[bool, bool, bool, bool]]]] = []
    for second in range(300):
        one = chance.choice(people)
        seated = state[one][0]
        flags = tuple(chance.random() < 0.4 for _ in range(3))
        media = dict(zip(("audio", "video", "screen"), flags, strict=True))
        if not seated:
            events.tell("participant.joined", second, one, answered=True, **media)
        elif chance.random() < 0.3:
            events.tell("participant.left", second, one)
        else:
            events.tell("media.changed", second, one, **media)
        state[one] = (not (seated and events.all[-1].type == "participant.left"), *flags)  # type: ignore[assignment]
        told.append((second + 0.5, dict(state)))
    found = presences([], events.tell("call.ended", 300).all)
    for when, now in told:
        for one in people:
            assert _seen(found[one], when) == _asked(now, one), (when, one)


def _seen(presence: Presence, when: float) -> tuple[bool, bool, bool] | None:
    moment = at(when).timestamp() * 1000
    for one in presence.segments:
        if one.start <= moment < one.end:
            return one.audio, one.video, one.camera
    return None


def _asked(
    state: dict[str, tuple[bool, bool, bool, bool]], who: str
) -> tuple[bool, bool, bool] | None:
    others = [flags for id, (seated, *flags) in state.items() if seated and id != who]
    audio, video, screen = (any(flags[n] for flags in others) for n in range(3))
    return (audio, video or screen, video and not screen) if state[who][0] else None
