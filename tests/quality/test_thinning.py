"""Windows of a call that is too large to be stored window by window."""

import pytest
from tests.quality.builders import ANA, BRUNO, T0, at

from callstore.quality.model import KindWindow, Terms, Window
from callstore.quality.thinning import thinned
from callstore.quality.windows import to_ms


def window(n: int, score: float | None, rtt: float | None = None) -> Window:
    terms = Terms(net=score)
    video = KindWindow(fps=score)
    return Window(start=at(10 * n), seconds=10, score=score, terms=terms, video=video, rtt=rtt)


def test_a_small_call_keeps_its_windows() -> None:
    windows = [window(n, 90) for n in range(5)]
    (kept,) = thinned({ANA: windows}, to_ms(T0), most=5)
    assert (kept.width, kept.windows) == (10, windows)


def test_a_large_call_keeps_fewer_and_wider_ones() -> None:
    worth = [100, 50, None, 80, 20, 20]
    windows = [window(n, score, rtt=100 * n) for n, score in enumerate(worth)]
    kept = thinned({ANA: windows, BRUNO: windows[3:]}, to_ms(T0), most=5)
    assert [one.width for one in kept] == [20, 20]
    assert [one.score for one in kept[0].windows] == [75, 80, 20]
    assert [one.start for one in kept[0].windows] == [at(0), at(20), at(40)]
    assert [one.start for one in kept[1].windows] == [at(20), at(40)]
    first = kept[0].windows[0]
    assert first.terms.net == 50
    assert (first.rtt, first.seconds) == (50, 20)
    assert first.video is not None
    assert first.video.fps == pytest.approx(75)
    assert first.audio is None
