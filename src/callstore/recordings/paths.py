"""Where a recording's file lies: `<call>/<recording>-<of this upload>.<format>`. Pure."""

import re

from callstore.recordings.model import Recording

_OURS = re.compile(r"([0-9a-f]{24})/([0-9a-f]{24})-[0-9a-f]{8}\.[a-z0-9]+\Z")


def path_of(row: Recording, upload: str) -> str:
    """Of two uploads, one of which was given up, each has a path of its own: `upload`, 8 hex
    digits, tells them apart."""
    return f"{row.call_session_id}/{row.id}-{upload}.{row.format}"


def ids_in(path: str) -> tuple[str, str] | None:
    """The call and the recording that a path names; None for what is not callstore's."""
    found = _OURS.match(path)
    return (found[1], found[2]) if found else None
