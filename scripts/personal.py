"""Writes the record of processing in docs/personal-data.md, below its head, from the list that
erasure and export go by, and from the settings' defaults."""

from pathlib import Path

from msgspec import Struct

from callstore.privacy.personal import PERSONAL, Personal
from callstore.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "personal-data.md"
MARK = "<!-- Below: made by scripts/personal.py. -->\n"


class Kept(Struct, frozen=True):
    """How long rows of a collection stay: days by a setting, from when; or until what."""

    setting: str | None
    since: str

    def text(self, settings: Settings) -> str:
        if self.setting is None:
            return self.since
        return f"{getattr(settings, self.setting):g} days from {self.since} (`{self.setting}`)"


_CALL = Kept("keep_calls_days", "the call's end")
KEPT = {
    "CallSession": _CALL,
    "CallParticipant": _CALL,
    "CallPulse": _CALL,
    "CallLogEntry": _CALL,
    "CallEvent": _CALL,
    "CallAnalytics": _CALL,
    "CallQualitySample": Kept("keep_samples_days", "the call's end"),
    "CallTranscription": Kept("keep_captions_days", "when it was added"),
    "CallRecording": Kept("keep_recordings_days", "its stop, of the file; the row as the call"),
    "CallHold": Kept("keep_audit_days", "its release"),
    "CallErasure": Kept("keep_audit_days", "when it was done"),
    "CallAudit": Kept("keep_audit_days", "the act"),
    "CallLease": Kept(None, "until the place moves on, about a minute later while a watch runs"),
}
EFFECTS = {
    "row deleted": "row deleted",
    "null": "null",
    "zeros": "24 zeros",
    "kept": "stays",
}
HEAD = """
| what | of | where | for | kept | anonymise | delete | export |
|---|---|---|---|---|---|---|---|
"""


def table(settings: Settings) -> str:
    return HEAD + "".join(_row(each, settings) for each in PERSONAL)


def _row(each: Personal, settings: Settings) -> str:
    cells = [
        each.what,
        each.whom,
        f"{each.collection} {', '.join(f'`{field}`' for field in each.fields)}",
        each.purpose,
        KEPT[each.collection].text(settings),
        *(EFFECTS[effect] for effect in each.effects),
        f"`{each.export}`" if each.export else "",
    ]
    return f"| {' | '.join(cells)} |\n"


def up_to_date(page: str) -> str:
    head, mark, _ = page.partition(MARK)
    assert mark, f"{PAGE.name} has lost its mark"
    return head + mark + table(Settings())


if __name__ == "__main__":
    PAGE.write_text(up_to_date(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
