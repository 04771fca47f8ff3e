"""What every store must do, as pytest classes. A store's test module is one fixture:

    from callstore.testing.contract import *  # noqa: F403

    @pytest.fixture
    def store_url(tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/calls.db"

`store_url` gives the URL of a fresh, empty store for each test. Where only its opener can see the
store, leave out what is in `NEEDS_SHARING`: `del TestSeveralOpeners, TestSweepLease`.

Needed beside callstore: pytest, pytest-asyncio with `asyncio_mode = "auto"`, hypothesis. Random
lives against a plain model, with races, are in `callstore.testing.contract.machine`.
"""

import pytest

_NOUNS = (
    "starting",
    "clocks",
    "coming",
    "going",
    "media",
    "reading",
    "deadlines",
    "looking_back",
    "quality",
    "entrances",
    "races",
    "several",
    "world",
)
pytest.register_assert_rewrite(*(f"{__name__}.{noun}" for noun in _NOUNS))

from callstore.testing.contract.clocks import TestClock  # noqa: E402 - rewritten from here on
from callstore.testing.contract.coming import (  # noqa: E402
    TestAnswer,
    TestConnected,
    TestEarlyJoin,
    TestFullCall,
    TestRejoin,
    TestRing,
)
from callstore.testing.contract.deadlines import (  # noqa: E402
    TestLost,
    TestMode,
    TestRingDeadline,
)
from callstore.testing.contract.entrances import TestEveryEntrance  # noqa: E402
from callstore.testing.contract.going import (  # noqa: E402
    TestCancel,
    TestDecline,
    TestEnd,
    TestFailed,
    TestLeave,
    TestWhatAnEndLeaves,
)
from callstore.testing.contract.looking_back import TestStateAt, TestTimeline  # noqa: E402
from callstore.testing.contract.media import TestMedia, TestWrongCall  # noqa: E402
from callstore.testing.contract.quality import TestAnalysis, TestReports  # noqa: E402
from callstore.testing.contract.races import (  # noqa: E402
    TestOneOfAGroupThatCannotBeWritten,
    TestRaces,
)
from callstore.testing.contract.reading import (  # noqa: E402
    TestByKey,
    TestFilters,
    TestLongFilteredPages,
    TestPages,
    TestSeenAndHidden,
    mixed,
)
from callstore.testing.contract.several import (  # noqa: E402
    TestSeveralOpeners,
    TestSweepLease,
    other,
)
from callstore.testing.contract.starting import (  # noqa: E402
    TestChosenId,
    TestOneLiveCall,
    TestStart,
)
from callstore.testing.contract.world import calls, clock, new_id, opening  # noqa: E402

NEEDS_SHARING = (TestSeveralOpeners, TestSweepLease)

__all__ = [
    "NEEDS_SHARING",
    "TestAnalysis",
    "TestAnswer",
    "TestByKey",
    "TestCancel",
    "TestChosenId",
    "TestClock",
    "TestConnected",
    "TestDecline",
    "TestEarlyJoin",
    "TestEnd",
    "TestEveryEntrance",
    "TestFailed",
    "TestFilters",
    "TestFullCall",
    "TestLeave",
    "TestLongFilteredPages",
    "TestLost",
    "TestMedia",
    "TestMode",
    "TestOneLiveCall",
    "TestOneOfAGroupThatCannotBeWritten",
    "TestPages",
    "TestRaces",
    "TestRejoin",
    "TestReports",
    "TestRing",
    "TestRingDeadline",
    "TestSeenAndHidden",
    "TestSeveralOpeners",
    "TestStart",
    "TestStateAt",
    "TestSweepLease",
    "TestTimeline",
    "TestWhatAnEndLeaves",
    "TestWrongCall",
    "calls",
    "clock",
    "mixed",
    "new_id",
    "opening",
    "other",
]
