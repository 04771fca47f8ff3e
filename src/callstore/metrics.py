"""What is measured on the way, told to whoever keeps it."""

import logging
from collections.abc import Callable, Mapping

Tell = Callable[[str, float, Mapping[str, str]], object]
"""Told a name, a value and what it is of, in the manner of Prometheus: names that end in `_total`
are counters, of which this is what came to them; all others are what they are now."""

_log = logging.getLogger("callstore")


def told(tell: Tell | None) -> Tell:
    """`tell`, whose own failures are logged and harm nobody; None tells nobody."""

    def safely(name: str, value: float, labels: Mapping[str, str]) -> None:
        if tell is not None:
            try:
                tell(name, value, labels)
            except Exception:  # noqa: BLE001 - whatever it is, it is not about calls
                _log.exception("the metric %s could not be told", name)

    return safely
