"""Issues: what opens one, how bad it is, when it closes, and that it stays one."""

import itertools
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.quality.builders import ANA, BRUNO, T0, Events, Series, analysed, at, of, together

from callstore.quality.episodes import Episode, Seen, end, follow, issue, judge
from callstore.quality.issues import Media, detect
from callstore.quality.lines import LINES
from callstore.quality.model import Issue, Reading, Sample

ON = Media(audio=True, video=True, camera=True)


def issues(samples: list[Sample], type: str, seconds: float = 600) -> list[Issue]:
    found = of(analysed(samples, together(ANA, BRUNO, end=seconds), end=seconds)).issues
    return [one for one in found if one.type == type]


def only(samples: list[Sample], type: str) -> Issue:
    found = issues(samples, type)
    assert len(found) == 1, found
    return found[0]


def episodes(values: Sequence[float], every: float = 1) -> list[Issue]:
    """Of packet loss, one value after another."""
    episode, line, found = Episode(), LINES.packet_loss, []
    for n, value in enumerate(values):
        level, clear = judge(value, line)
        before = follow(episode, line, Seen(n * every * 1000, level, clear, value))
        found += [before] if before else []
    end(episode, line)
    found += [episode] if episode.since is not None else []
    return [issue(one, "high_packet_loss", ANA) for one in found]


def test_three_of_five_open_it_with_the_first_sample_over() -> None:
    (one,) = episodes([0, 0, 3, 0, 3, 3, 0, 0, 0, 0, 0, 0])
    assert one.timestamp.timestamp() == 2
    assert one.ended_at is not None
    assert one.ended_at.timestamp() == 6
    assert (one.severity, one.worst, one.samples) == ("minor", 3, 3)
    assert episodes([0, 3, 0, 0, 3, 0, 0, 3, 0, 0, 3]) == []


def test_on_the_line_is_not_over_it() -> None:
    assert episodes([2, 2, 2, 2, 2]) == []


@pytest.mark.parametrize(
    ("values", "severity", "worst"),
    [
        ([3, 3, 3], "minor", 3),
        ([3, 6, 3, 6, 6], "major", 6),
        ([3, 20, 3, 20, 3], "minor", 20),
        ([20, 20, 3, 3, 20], "critical", 20),
        ([6, 20, 20], "major", 20),
    ],
)
def test_severity_is_the_highest_line_that_three_of_any_five_pass(
    values: list[float], severity: str, worst: float
) -> None:
    (one,) = episodes(values)
    assert (one.severity, one.worst) == (severity, worst)


def test_it_closes_when_five_of_five_are_clear_and_5_s_have_gone_by() -> None:
    (one,) = episodes([3, 3, 3] + [1.5] * 20)  # under the line, but not clear
    assert one.ended_at is not None
    assert one.ended_at.timestamp() == 22
    (one,) = episodes([3, 3, 3, 1, 1, 1, 1, 1, 1, 1])
    assert one.ended_at is not None
    assert one.ended_at.timestamp() == 3
    fast = episodes([3, 3, 3] + [0] * 5, every=0.5)  # 2.5 s are not enough: it is open at the end
    assert fast[0].ended_at is not None
    assert fast[0].ended_at.timestamp() == 3.5
    assert fast[0].ended_at == at(3.5) - timedelta(seconds=T0.timestamp())


@pytest.mark.parametrize(("clear", "count"), [(8, 1), (15, 1), (17, 2), (60, 2)])
def test_none_opens_again_within_15_s(clear: int, count: int) -> None:
    found = episodes([3, 3, 3] + [0] * clear + [9, 9, 9])
    assert len(found) == count
    assert found[-1].severity == "major"
    assert sum(one.samples for one in found) == 6


@given(st.lists(st.sampled_from([0.0, 1.0, 1.9, 2.1, 4.0, 11.0]), max_size=120))
def test_issues_of_a_type_never_touch(values: list[float]) -> None:
    found = episodes(values)
    for one, other in itertools.pairwise(found):
        assert one.ended_at is not None
        assert other.timestamp - one.ended_at > timedelta(seconds=15)
    for one in found:
        assert one.ended_at is not None
        assert one.timestamp <= one.ended_at
        assert one.samples >= 3
        assert one.worst is not None
        assert one.worst > 2


@given(st.lists(st.booleans(), min_size=20, max_size=200))
def test_a_series_that_hops_around_one_line_makes_one_issue(over: list[bool]) -> None:
    hops = [2.1 if up else 1.9 for up in over]
    assert len(episodes(hops)) <= 1
    assert len(episodes([2.1] * 5 + hops)) == 1


def test_a_real_hop_makes_one_issue_too() -> None:
    made = Series(packets=100)
    for n in range(120):
        made.step(1, loss=4 if n % 2 else 0)
    assert len(issues(made.samples, "high_packet_loss")) == 1


@given(st.randoms(use_true_random=False))
def test_shuffled_or_doubled_samples_change_no_issue(chance: random.Random) -> None:
    made = Series().run(20).run(15, loss=12, rtt=600).run(30).run(10, fps=4, jitter=80)
    again = made.samples * 2
    chance.shuffle(again)
    told = analysed(made.samples, together(ANA, BRUNO, end=75))
    assert analysed(again, together(ANA, BRUNO, end=75)).network_issues == told.network_issues
    assert len(told.network_issues) > 3


@pytest.mark.parametrize(
    ("state", "type", "severity"),
    [
        ({"loss": 4}, "high_packet_loss", "minor"),
        ({"loss": 8}, "high_packet_loss", "major"),
        ({"loss": 14}, "high_packet_loss", "critical"),
        ({"rtt": 301}, "high_rtt", "minor"),
        ({"rtt": 501}, "high_rtt", "major"),
        ({"rtt": 801}, "high_rtt", "critical"),
        ({"jitter": 31}, "high_jitter", "minor"),
        ({"jitter": 51}, "high_jitter", "major"),
        ({"jitter": 101}, "high_jitter", "critical"),
        ({"fps": 14}, "low_fps", "minor"),
        ({"fps": 6}, "low_fps", "major"),
        ({"fps": 4}, "low_fps", "critical"),
        ({"concealed": 4}, "audio_concealment", "minor"),
        ({"concealed": 6}, "audio_concealment", "major"),
        ({"concealed": 8}, "audio_concealment", "critical"),
        ({"loss": 12}, "low_quality", "minor"),
        ({"loss": 40}, "low_quality", "critical"),
    ],
)
def test_each_line(state: dict[str, Any], type: str, severity: str) -> None:
    made = Series().run(20).run(20, **state).run(40)
    assert only(made.samples, type).severity == severity


def test_the_entry_says_when_and_how_bad() -> None:
    one = only(Series().run(20).run(10, rtt=600).step(1, rtt=900).run(30).samples, "high_rtt")
    assert (one.timestamp, one.ended_at) == (at(21), at(32))
    assert (one.participant_id, one.worst, one.samples) == (ANA, 900, 11)


def test_loss_of_few_packets_is_not_judged() -> None:
    assert not issues(Series(packets=19).run(60, loss=50).samples, "high_packet_loss")
    assert issues(Series(packets=21).run(60, loss=50).samples, "high_packet_loss")


def test_an_encoder_is_limited_only_after_its_ramp_up() -> None:
    assert not issues(Series().run(30, limited="bandwidth").run(60).samples, "bandwidth_limited")
    made = Series().run(40).run(10, limited="bandwidth", height=720)
    made.run(10, limited="bandwidth", height=300).run(10, limited="bandwidth", height=150).run(30)
    one = only(made.samples, "bandwidth_limited")
    assert (one.severity, one.worst, one.timestamp) == ("critical", 4.8, at(41))
    cpu = Series().run(40).run(20, limited="cpu").samples
    assert not issues(cpu, "bandwidth_limited")


def test_a_gap_in_the_media() -> None:
    for seconds, severity in ((6, "minor"), (16, "major"), (31, "critical")):
        made = Series().run(20).run(seconds, packets=0).run(20)
        one = only(made.samples, "media_gap")
        assert (one.severity, one.timestamp) == (severity, at(20))
        assert one.ended_at == at(20 + seconds + 1)
        assert one.worst == seconds * 1000
    assert not issues(Series().run(20).run(4, packets=0).run(20).samples, "media_gap")


def test_freezes_are_judged_by_window() -> None:
    still = Series().run(20).step(1, frozen=1.2).run(9).run(20)
    one = only(still.samples, "video_freeze")
    assert (one.severity, one.timestamp, one.ended_at) == ("minor", at(20), at(30))
    half = Series().run(20).run(10, frozen=0.5).run(20)
    assert only(half.samples, "video_freeze").severity == "major"
    stopped = Series().run(20).run(7, fps=0).run(20)
    assert only(stopped.samples, "video_freeze").severity == "critical"


def test_a_screen_may_stand_still() -> None:
    events = Events().join(0, ANA).join(0, BRUNO, video=False, screen=True)
    samples = Series().run(20).run(20, fps=0).run(20).samples
    assert of(analysed(samples, events.tell("call.ended", 60))).issues == []


def test_freezes_that_do_not_end() -> None:
    one = only(Series().run(20).run(20, frozen=0.5).samples, "video_freeze")
    assert one.ended_at == at(40)


@pytest.mark.parametrize(
    ("away", "severity"), [(3, "minor"), (5, "major"), (30, "major"), (31, "critical")]
)
def test_a_reconnection(away: float, severity: str) -> None:
    events = Events().join(0, ANA).join(0, BRUNO).tell("participant.lost", 20, ANA)
    events.join(20 + away, ANA).tell("call.ended", 90)
    (one,) = of(analysed([], events)).issues
    assert (one.type, one.severity, one.worst) == ("reconnection", severity, away * 1000)
    assert (one.timestamp, one.ended_at) == (at(20), at(20 + away))


def test_a_reconnection_that_failed_is_critical() -> None:
    events = Events().join(0, ANA).join(0, BRUNO).tell("participant.failed", 20, ANA)
    (one,) = of(analysed([], events.tell("call.ended", 22), end=22)).issues
    assert (one.severity, one.ended_at) == ("critical", at(22))


@pytest.mark.parametrize(
    ("drops", "severity"),
    [
        ([10, 35], "minor"),
        ([10, 20, 35], "major"),
        ([10, 30, 50], "minor"),
        ([10, 25, 40, 55, 69], "critical"),
        ([10, 45], None),
    ],
)
def test_an_unstable_connection(drops: list[float], severity: str | None) -> None:
    events = Events().join(0, ANA).join(0, BRUNO)
    for when in drops:
        events.tell("participant.lost", when, ANA).join(when + 2, ANA)
    found = of(analysed([], events.tell("call.ended", 120), end=120)).issues
    unstable = [one for one in found if one.type == "unstable_connection"]
    assert [one.severity for one in unstable] == ([severity] if severity else [])
    assert sum(one.type == "reconnection" for one in found) == len(drops)


def test_a_series_that_stops_ends_its_issues() -> None:
    made = Series().run(20).run(20, rtt=600).pause(40).run(20)
    one = only(made.samples, "high_rtt")
    assert one.ended_at == at(40)
    assert only(Series().run(20, rtt=600).samples, "high_rtt").ended_at == at(20)


def live(samples: list[Sample], **more: Any) -> tuple[list[list[Issue]], Any]:
    """What each report of a live call answers, the state kept as JSON between them."""
    state, answers = None, []
    for sample in samples:
        state, found = detect(state, sample, participant_id=ANA, **more)
        state = msgspec.json.decode(msgspec.json.encode(state))
        answers.append(found)
    return answers, state


def test_live_the_same_issues_are_found() -> None:
    made = Series().run(30).run(12, rtt=600, loss=12).run(12).run(8, fps=3).run(9, packets=0)
    made.run(15)
    told = analysed(made.samples, together(ANA, BRUNO, end=86), end=86).network_issues
    answers, _ = live(made.samples, origin=T0.timestamp() * 1000, media=ON)
    seen: dict[tuple[str, object], Issue] = {}
    for found in answers:
        for one in found:
            seen[one.type, one.timestamp] = one
    assert {(i.type, i.timestamp, i.severity, i.samples, i.worst) for i in told} == {
        (i.type, i.timestamp, i.severity, i.samples, i.worst) for i in seen.values()
    }


def test_live_an_issue_opens_and_closes() -> None:
    answers, _ = live(Series().run(10).run(5, rtt=600).run(10).samples)
    opened = [[one.type for one in found] for found in answers]
    assert opened[12] == []
    assert opened[13] == ["high_rtt"]
    assert opened[25] == []
    assert answers[13][0].ended_at is None


def test_live_what_is_not_newer_changes_nothing() -> None:
    samples = Series().run(10).run(5, rtt=600).samples
    answers, state = live(samples)
    again, found = detect(state, samples[3], participant_id=ANA)
    assert msgspec.json.decode(msgspec.json.encode(again)) == state
    assert found == answers[-1]


def test_the_live_state_is_small_and_names_nobody() -> None:
    _, state = live(Series().run(60, loss=12, rtt=900, fps=3).samples)
    text = msgspec.json.encode(state)
    assert len(text) < 5_000
    assert ANA.encode() not in text


def test_live_a_report_without_media_is_taken() -> None:
    state, found = detect(None, Reading(at=T0), participant_id=ANA)
    for n in range(1, 4):
        state, found = detect(state, Reading(at=at(n)), participant_id=ANA)
    assert found == []
