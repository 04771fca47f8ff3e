"""Calls, events and samples to test with: a steady series, changed where a test wants it."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from callstore.calls.model import Call, Event, EventType, Participant, Stint
from callstore.quality.analyse import analyse
from callstore.quality.model import Analytics, KindStats, Sample

T0 = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CONVERSATION, CALL = "b" * 24, "a" * 24
ANA, BRUNO, CHIDI = (f"{n:024x}" for n in (1, 2, 3))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def trace(name: str) -> list[bytes]:
    packed = files("callstore.quality").joinpath("traces", f"{name}.jsonl.gz").read_bytes()
    return gzip.decompress(packed).splitlines()


class Series:
    """A participant's samples, one every `every` seconds. Rates are per second; `step` makes the
    next sample, of which any counter or gauge can be told otherwise.
    """

    def __init__(
        self,
        participant_id: str = ANA,
        *,
        start: float = 0,
        every: float = 1,
        video: bool = True,
        **rates: Any,
    ) -> None:
        self.participant_id, self.now, self.every, self.video = participant_id, start, every, video
        self.rates = rates
        self.sums: dict[str, float] = {}
        self.samples = [self._sample({})]

    def run(self, seconds: float, **rates: Any) -> "Series":
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.step(min(self.every, until - self.now), **rates)
        return self

    def pause(self, seconds: float) -> "Series":
        """No samples."""
        self.now += seconds
        return self

    def step(self, seconds: float, **rates: Any) -> "Series":
        self.now += seconds
        told = {"packets": 50, "loss": 0.0, "jitter": 5, "rtt": 40, "fps": 30, "frozen": 0.0}
        told |= {"audio_bps": 32_000, "video_bps": 1_000_000, "concealed": 0.0}
        told |= self.rates | rates
        for name, rate in (
            ("expected", told["packets"]),
            ("lost", told["packets"] * told["loss"] / 100),
            ("audio_bytes", told["audio_bps"] / 8 if told["packets"] else 0),
            ("video_bytes", told["video_bps"] / 8 if told["packets"] else 0),
            ("frames", told["fps"] if told["packets"] else 0),
            ("frozen", told["frozen"] * 1000),
            ("concealed", 480 * told["concealed"]),
            ("samples", 48_000),
        ):
            self.sums[name] = self.sums.get(name, 0.0) + rate * seconds
        self.sums["freezes"] = self.sums.get("freezes", 0.0) + (1 if told["frozen"] else 0)
        self.samples.append(self._sample(told))
        return self

    def _sample(self, told: dict[str, Any]) -> Sample:
        def sum(name: str) -> int:
            return round(self.sums.get(name, 0.0))

        received = sum("expected") - sum("lost")
        audio = KindStats(
            packets_received=received,
            packets_lost=sum("lost"),
            bytes_received=sum("audio_bytes"),
            bytes_sent=sum("audio_bytes"),
            concealed_samples=sum("concealed"),
            total_samples_received=sum("samples"),
            jitter=told.get("jitter"),
            round_trip_time=told.get("rtt"),
            received_streams=(told.get("stream", "a1"),),
            sent_streams=("b1",),
        )
        video = KindStats(
            packets_received=received * 2,
            packets_lost=sum("lost") * 2,
            bytes_received=sum("video_bytes"),
            bytes_sent=sum("video_bytes"),
            frames_decoded=sum("frames"),
            freeze_count=sum("freezes"),
            total_freezes_duration=sum("frozen"),
            frames_per_second=told.get("fps"),
            jitter=told.get("jitter"),
            frame_height_sent=told.get("height", 720),
            quality_limitation_reason=told.get("limited", "none"),
            received_streams=(told.get("stream", "v1"),),
            sent_streams=("w1",),
        )
        return Sample(
            id=f"{len(getattr(self, 'samples', ())):024x}",
            conversation_id=CONVERSATION,
            call_session_id=CALL,
            participant_id=self.participant_id,
            at=at(round(self.now, 3)),
            audio=audio,
            video=video if self.video else None,
        )


class Events:
    """The events of a call, in the order in which they are told."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def tell(self, type: EventType, when: float, who: str | None = None, **data: Any) -> "Events":
        self.all.append(
            Event(
                id=f"{len(self.all):024x}",
                conversation_id=CONVERSATION,
                call_session_id=CALL,
                seq=len(self.all) + 1,
                type=type,
                at=at(when),
                participant_id=who,
                user_id=None,
                anonymous_user_id=None,
                actor=None,
                data=data or None,
                expires_at=None,
            )
        )
        return self

    def join(self, when: float, who: str, **flags: bool) -> "Events":
        told = {"answered": True, "audio": True, "video": True, "screen": False} | flags
        self.tell("participant.joined", when, who, **told)
        return self.tell("participant.connected", when, who)


def together(*who: str, end: float) -> Events:
    """All there from the start to the end."""
    events = Events()
    for one in who:
        events.join(0, one)
    return events.tell("call.ended", end)


def call(end: float = 60, *, started: float | None = 0) -> Call:
    return Call(
        id=CALL,
        conversation_id=CONVERSATION,
        mode="p2p",
        status="ended",
        type="video",
        initiator_id="c" * 24,
        initiator_kind="user",
        router_id=None,
        rtp_capabilities=None,
        settings=None,
        created_at=T0,
        started_at=at(started) if started is not None else None,
        ended_at=at(end),
        duration=round(end),
        end_reason="normal",
        ended_by=None,
        ended_by_kind=None,
        updated_at=at(end),
        version=1,
        event_count=1,
        last_event_at=at(end),
        live=False,
        live_count=0,
        joined_count=2,
        peak_participants=2,
        max_participants=50,
        sfu_allowed=True,
        few_since=None,
        mode_switch_count=0,
        mode_changed_at=None,
        ring_deadline=None,
        end_when="alone",
        holds=[],
        erased_count=0,
        expires_at=at(90 * 86_400),
    )


def participant(id: str, stints: Sequence[Stint]) -> Participant:
    return Participant(
        id=id,
        conversation_id=CONVERSATION,
        call_session_id=CALL,
        user_id="d" * 24,
        anonymous_user_id=None,
        role="participant",
        status="disconnected",
        joined_at=stints[0].joined_at,
        left_at=stints[-1].left_at,
        answered_at=stints[0].joined_at,
        connected_at=None,
        last_seen_at=None,
        stints=list(stints),
        audio_enabled=True,
        video_enabled=True,
        screen_share_enabled=False,
        send_transport_id=None,
        recv_transport_id=None,
        audio_producer_id=None,
        video_producer_id=None,
        quality_metrics=None,
        device_info=None,
        updated_at=T0,
        anonymized_at=None,
        expires_at=None,
    )


def analysed(
    samples: Sequence[Sample],
    events: Events | None = None,
    *,
    end: float = 60,
    participants: Sequence[Participant] = (),
    **more: Any,
) -> Analytics:
    """The analysis of a call of Ana and Bruno, unless told otherwise."""
    told = events or together(ANA, BRUNO, end=end)
    return analyse(
        call(end), participants, told.all, samples, now=at(end), new_id=lambda: "f" * 24, **more
    )


def of(analytics: Analytics, who: str = ANA) -> Any:
    """A participant's metrics."""
    return next(one for one in analytics.participant_metrics if one.participant_id == who)
