"""What clients ask MongoDB, listened to for as long as a `with` lasts. The driver keeps a listener
for good, and only clients that are made later have it: this one says nothing to anybody between."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from pymongo import monitoring

Started = monitoring.CommandStartedEvent
Failed = monitoring.CommandFailedEvent


class _Listening:
    def __init__(self, started: Callable[[Started], object], failed: Callable[[Failed], object]):
        self.does: dict[type, Callable[[Any], object]] = {Started: started, Failed: failed}
        self.telling = False
        self.errors: list[Exception] = []

    def tell(self, event: Started | Failed) -> None:
        if self.telling:  # what it asks itself is not heard
            return
        self.telling = True
        try:
            self.does[type(event)](event)
        except Exception as error:  # noqa: BLE001 - the driver prints it, and goes on
            self.errors.append(error)
        self.telling = False


class _Ears(monitoring.CommandListener):
    def __init__(self) -> None:
        self.listening: list[_Listening] = []

    def started(self, event: Started) -> None:
        self._tell(event)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: Failed) -> None:
        self._tell(event)

    def _tell(self, event: Started | Failed) -> None:
        for each in (*self.listening,):
            each.tell(event)


_ears = _Ears()
monitoring.register(_ears)


def _nothing(event: object) -> None:
    pass


@contextlib.contextmanager
def listening(
    started: Callable[[Started], object] = _nothing,
    *,
    failed: Callable[[Failed], object] = _nothing,
) -> Iterator[None]:
    """`started` is called before a command is sent, so that it may look at what it finds, or change
    it; `failed` before the answer is given. What they raise comes at the end of the `with`."""
    made = _Listening(started, failed)
    _ears.listening.append(made)
    try:
        yield
    finally:
        _ears.listening.remove(made)
    if made.errors:
        raise made.errors[0]


@contextlib.contextmanager
def asked(*commands: str) -> Iterator[list[Started]]:
    """The commands that are sent meanwhile: those of these names, or all."""
    found: list[Started] = []

    def take(event: Started) -> None:
        if not commands or event.command_name in commands:
            found.append(event)

    with listening(take):
        yield found


@contextlib.contextmanager
def once(when: Callable[[Started], bool], work: Callable[[], object]) -> Iterator[None]:
    """Does the work when the first such command is about to be sent. One must be."""
    done = False

    def started(event: Started) -> None:
        nonlocal done
        if not done and when(event):
            done = True
            work()

    with listening(started):
        yield
    assert done
