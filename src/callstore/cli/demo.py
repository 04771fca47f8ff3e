"""callstore demo: the first thing anyone sees."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import click
from rich.rule import Rule
from rich.text import Text

from callstore import (
    Call,
    Calls,
    Caption,
    Event,
    LogEntry,
    Party,
    Recording,
    RetentionReport,
    Stint,
    open_calls,
)
from callstore.cli.app import App, Storeless
from callstore.cli.export_views import show_manifest
from callstore.cli.grid import Grid
from callstore.cli.output import bytes_of, clock, duration, moment, quality, show, who, word
from callstore.cli.privacy_views import show_receipt
from callstore.cli.quality_views import issues
from callstore.demo import Cast, Clock, Scene, begins_now, cast, play
from callstore.errors import NotFound
from callstore.quality.model import Analytics, ParticipantMetrics, Window
from callstore.quality.score import label

WIDTH = 22  # of the bars that show who was there when
WORST = 2  # windows that explain a score


@click.command(cls=Storeless)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the database here, to look around in it afterwards.",
)
@click.pass_obj
def demo(app: App, keep: Path | None) -> None:
    """Replay recorded calls through a whole life each.

    Five calls of one conversation, from real getStats() recordings. Everything that is printed
    comes out of the store.
    """
    import asyncio
    import tempfile

    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_demo(app, keep / "demo.db", kept=True))
    with tempfile.TemporaryDirectory(prefix="callstore-") as folder:
        return asyncio.run(_demo(app, Path(folder) / "demo.db", kept=False))


async def _demo(app: App, path: Path, *, kept: bool) -> None:
    who_plays, time = cast(), begins_now()
    async with open_calls(
        f"sqlite:///{path}",
        clock=time,
        describe=lambda _: who_plays.names,
        settings={"secret": token_hex()},
    ) as calls:
        stage = _Shown(calls, who_plays, time, quiet=app.json)
        stage.opening()
        await play(calls, time, who_plays, stage.scene)
        await stage.closing()
        await stage.rights()
        if app.json:
            app.print_json(stage.document)
        else:
            _farewell(path if kept else None, stage.calls_shown)


class _Shown:
    """Shows each scene when it is over, from what the store gives."""

    def __init__(self, calls: Calls, cast: Cast, time: Clock, *, quiet: bool) -> None:
        self.calls = calls
        self.time = time
        self.cast = cast
        self.quiet = quiet
        self.calls_shown: list[str] = []
        self.document: dict[str, Any] = {"calls": []}

    def name(self, party: Party | None) -> str:
        return str(who(party)) if party is None else str(self.cast.names[party.ref])

    def opening(self) -> None:
        if not self.quiet:
            show(
                Rule("callstore demo", style="cyan"),
                "Five calls of one conversation, lived through in a store of their own. The\n"
                "media reports are real: two Chromium peers under known network conditions,\n"
                "one report a second, moved in time so that the last call ends now.",
            )

    async def scene(self, scene: Scene) -> None:
        call = await self.calls.get(scene.call_id)
        events = await self.calls.timeline(call.id)
        analytics = await _analysis(self.calls, call.id)
        captions = await self.calls.captions.list(call.id)
        recordings = await self.calls.recordings.list(call.id)
        self.calls_shown.append(call.id)
        self.document["calls"].append(
            {
                "title": scene.title,
                "source": scene.source,
                "call": call,
                "analytics": analytics,
                "captions": captions.items,
                "recordings": recordings,
            }
        )
        if self.quiet:
            return
        number = len(self.calls_shown)
        show(
            "",
            Rule(f"{number} · {scene.title}", align="left", style="cyan"),
            Text(f"replays: {scene.source}", style="dim"),
            self._headline(call, analytics),
            "",
            self._roster(call, await self._answers(call), analytics),
            *_paragraph(self._modes(call, events)),
            *_paragraph(self._said(call, captions.items)),
            *_paragraph(self._recorded(call, recordings)),
        )
        if analytics and analytics.quality_score is not None:
            show(*_paragraph(self._reasons(call, analytics)))
        if analytics and analytics.network_issues:
            names = {row.id: self.name(row.party) for row in call.participants or ()}
            show("", issues(analytics.network_issues, names, call.created_at))

    async def _answers(self, call: Call) -> dict[Party, LogEntry]:
        """The call as it is in the log of each who was asked."""
        found = {}
        for party in (self.cast.ada, self.cast.ben, self.cast.chloe):
            for entry in (await self.calls.log(party, limit=1)).items:
                if entry.call_session_id == call.id:
                    found[party] = entry
        return found

    def _headline(self, call: Call, analytics: Analytics | None) -> Text:
        line = Text(f"{self.name(call.initiator)} calls, {call.type}: ")
        line.append(word(call.outcome or None))
        ended = "" if call.end_reason == call.outcome else f" ({call.end_reason})"
        line.append(f"{ended}, talked {duration(call.duration)}" if call.duration else ended)
        if analytics and analytics.quality_score is not None:
            line.append("  quality ").append(
                quality(analytics.quality_score, label(analytics.quality_score))
            )
        return line

    def _roster(
        self, call: Call, answers: dict[Party, LogEntry], analytics: Analytics | None
    ) -> Grid:
        """Everybody who was asked or came."""
        metrics = {m.participant_id: m for m in analytics.participant_metrics} if analytics else {}
        rows = {row.party: row for row in call.participants or ()}
        table = Grid(
            "who", "answer", "there when", "stints", "left", "quality", "loss>", "RTT>",
            optional=("RTT", "loss", "there when"), sparse=("quality", "loss", "RTT"),
        )  # fmt: skip
        for party, entry in answers.items():
            row = rows.get(party)
            stints = row.stints if row else []
            found = metrics.get(row.id) if row else None
            table.add_row(
                self.name(party),
                "calls" if entry.direction == "outgoing" else word(entry.response),
                _bar(call, stints),
                "\n".join(_span(call, stint) for stint in stints),
                Text("\n").join(word(stint.reason) for stint in stints),
                quality(found.avg_quality, found.label) if found else "",
                _with_unit(found, "avg_packet_loss", "%"),
                _with_unit(found, "avg_rtt", "ms"),
            )
        return table

    def _modes(self, call: Call, events: Sequence[Event]) -> list[Text]:
        return [
            Text.assemble(
                (f"{_at(call, event.at):>6}  ", "dim"),
                ("mode  ", "dim"),
                f"{data['from']} → {data['to']}, {data['seated']} seated",
            )
            for event in events
            if event.type == "mode.switched" and (data := event.data)
        ]

    def _said(self, call: Call, captions: Sequence[Caption]) -> list[Text]:
        names = {row.id: self.name(row.party) for row in call.participants or ()}
        lines = []
        for caption in captions:
            line = Text.assemble(
                (f"{_at(call, caption.timestamp):>6}  ", "dim"),
                ("said  ", "dim"),
                f"{names[caption.participant_id]}: {caption.text}",
            )
            for language, text in (caption.translations or {}).items():
                line.append(f"  {language}: {text}", "dim")
            lines.append(line)
        return lines

    def _recorded(self, call: Call, recordings: Sequence[Recording]) -> list[Text]:
        return [
            Text.assemble(
                (f"{_at(call, row.started_at):>6}  ", "dim"),
                ("rec   ", "dim"),
                f"{duration(row.duration)} for {self.name(row.requester)}, {row.format}, "
                f"{bytes_of(row.file_size)}, ",
                word(row.status),
                (f"  SHA-256 {(row.sha256 or '')[:16]}…", "dim"),
            )
            for row in recordings
        ]

    def _reasons(self, call: Call, analytics: Analytics) -> list[Text]:
        """What made the scores: each party's worst windows, and their weakest term."""
        names = {row.id: self.name(row.party) for row in call.participants or ()}
        lines = []
        for of in analytics.windows:
            scored = [w for w in of.windows if w.score is not None and w.score < 99]
            worst = sorted(scored, key=lambda w: w.score or 0)[:WORST]
            lines += [
                Text.assemble(
                    (f"{_at(call, window.start):>6}  ", "dim"),
                    ("why   ", "dim"),
                    f"{names[of.participant_id]} ",
                    quality(window.score, label(window.score)),
                    f", {duration(window.seconds)}: {_reason(window)}",
                )
                for window in sorted(worst, key=lambda w: w.start)
            ]
        return lines

    async def closing(self) -> None:
        history = await self.calls.history(self.cast.conversation)
        log = await self.calls.log(self.cast.ben)
        self.document["history"], self.document["log"] = history.items, log.items
        self.time.now += timedelta(minutes=6)  # nothing of a call is under way any more
        await self.calls.sweep()
        plans = {
            days: await self.calls.retention.plan(now=self.time.now + timedelta(days=days))
            for days in (30, 90)
        }
        self.document["retention"] = plans
        if self.quiet:
            return
        title = self.cast.names[f"c:{self.cast.conversation}"]
        show("", Rule(f"The conversation's history: {title}", align="left", style="cyan"))
        show(self._history(history.items))
        unseen = await self.calls.unseen(self.cast.ben)
        show("", Rule("Ben's own log", align="left", style="cyan"))
        show(self._log(log.items, unseen))
        show("", Rule("What retention would delete", align="left", style="cyan"))
        show(self._retention(plans))

    async def rights(self) -> None:
        """Ben wants to know what is kept of him, Chloe that nothing is."""
        export = self.calls.privacy.export(self.cast.ben, by="demo")
        async for _ in export:
            continue
        receipt = await self.calls.privacy.erase(self.cast.chloe, by="demo")
        self.document["manifest"], self.document["receipt"] = export.manifest, receipt
        if self.quiet:
            return
        show("", Rule("What is kept of Ben, exported", align="left", style="cyan"))
        show_manifest(export.manifest)
        show("", Rule("Chloe is erased", align="left", style="cyan"))
        show_receipt(receipt)

    def _retention(self, plans: dict[int, RetentionReport]) -> Grid:
        """What a run would delete, of what is there now."""
        table = Grid("collection", *(f"in {days} days>" for days in plans))
        names = dict.fromkeys(name for plan in plans.values() for name in plan.rows)
        for name in names:
            table.add_row(name, *(f"{plan.rows.get(name, 0):,}" for plan in plans.values()))
        table.add_row("files", *(f"{plan.files:,}" for plan in plans.values()))
        return table

    def _history(self, items: Sequence[Call]) -> Grid:
        table = Grid("started", "type", "called by", "outcome", "ended by", "talked>", "people>")
        for call in items:
            names, by = call.names or {}, call.ended_by_party
            table.add_row(
                moment(call.created_at),
                call.type,
                str(names[call.initiator.ref]),
                word(call.outcome or None),
                str(names[by.ref]) if by else "",
                duration(call.duration or None),
                str(call.joined_count),
            )
        return table

    def _log(self, items: Sequence[LogEntry], unseen: int) -> Grid:
        table = Grid("started", "type", "direction", "own answer", "the call", "talked>", "")
        for entry in items:
            table.add_row(
                moment(entry.created_at),
                entry.type,
                {"outgoing": "→ outgoing", "incoming": "← incoming"}[entry.direction],
                word(entry.response),
                word(entry.outcome or None),
                duration(entry.talk_seconds or None),
                Text("new", style="bold red") if entry.unseen else "",
            )
        table.note = f"{unseen} missed and not seen"
        return table


def _paragraph(lines: list[Text]) -> list[Text | str]:
    return ["", *lines] if lines else []


async def _analysis(calls: Calls, call_id: str) -> Analytics | None:
    try:
        return await calls.quality.get(call_id)
    except NotFound:
        return None


def _bar(call: Call, stints: Sequence[Stint]) -> Text:
    """The call from left to right, filled where the party was there."""
    whole = ((call.ended_at or call.created_at) - call.created_at).total_seconds() or 1
    bar = ["·"] * WIDTH
    for stint in stints:
        start = (stint.joined_at - call.created_at).total_seconds() / whole
        end = ((stint.left_at or stint.joined_at) - call.created_at).total_seconds() / whole
        first = min(int(start * WIDTH), WIDTH - 1)
        last = max(int(end * WIDTH), first + 1)
        bar[first:last] = "━" * (last - first)
    return Text("".join(bar), style="cyan" if call.started_at else "dim")


def _span(call: Call, stint: Stint) -> str:
    return f"{_at(call, stint.joined_at)} - {_at(call, stint.left_at) if stint.left_at else 'now'}"


def _at(call: Call, moment: datetime) -> str:
    return clock((moment - call.created_at).total_seconds())


def _with_unit(metrics: ParticipantMetrics | None, field: str, unit: str) -> str:
    value = getattr(metrics, field) if metrics else None
    return "" if value is None else f"{value:.1f} {unit}"


def _reason(window: Window) -> str:
    """The weakest term in words."""
    terms = window.terms
    known = {
        "net": terms.net,
        "freeze": terms.freeze,
        "fps": terms.fps,
        "rate": terms.rate,
    }
    least = min((k for k in known if known[k] is not None), key=lambda k: known[k] or 0, default="")
    said = {
        "net": f"loss {window.packet_loss or 0:.1f} %, RTT {window.rtt or 0:.0f} ms,"
        f" delay {window.delay or 0:.0f} ms",
        "freeze": f"the picture stood still {(window.video and window.video.frozen) or 0:.0f} %",
        "fps": f"only {(window.video and window.video.fps) or 0:.0f} frames/s",
        "rate": f"only {(window.bitrate or 0) / 1000:.0f} kbit/s",
        "": "no packet came",
    }[least]
    if window.away:
        return f"{duration(window.away)} without a connection; {said}"
    return said


def _farewell(path: Path | None, call_ids: Sequence[str]) -> None:
    show("", Rule(style="cyan"))
    if path is None:
        show("The store is gone with the demo. `callstore demo --keep DIR` leaves it to look at.")
        return
    store = f"callstore --store sqlite:///{path}"
    show(
        f"The store is {path}. Look around:",
        f"  {store} calls show {call_ids[3]}",
        f"  {store} calls timeline {call_ids[1]}",
        f"  {store} quality show {call_ids[3]} --plot spike.svg",
        f"  {store} captions export {call_ids[1]} --format vtt --language fr",
        f"  {store} recordings list {call_ids[1]}",
    )
