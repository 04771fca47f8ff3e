"""What every store must do, as pytest classes. A store's test module is one fixture:

    from callstore.testing.contract import *  # noqa: F403

    @pytest.fixture
    def fresh_store(tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"

Each call of what `fresh_store` gives is the URL of another empty store. Where only its opener can
see a store, leave out what is in `NEEDS_SHARING`: `del TestSeveralOpeners, TestSweepLease`.

Needed beside callstore: pytest, pytest-asyncio with `asyncio_mode = "auto"` (and, where warnings
are errors, `asyncio_default_fixture_loop_scope = "function"`), hypothesis.
"""

import pytest

_NOUNS = (
    "acts",
    "auditing",
    "by_key",
    "captions",
    "searching",
    "starting",
    "uploads",
    "clocks",
    "coming",
    "files",
    "going",
    "holds",
    "media",
    "reading",
    "deadlines",
    "deleting",
    "looking_back",
    "quality",
    "entrances",
    "erasing",
    "exporting",
    "from_xml",
    "races",
    "random_pasts",
    "recordings",
    "retention",
    "rich",
    "several",
    "lives",
    "world",
)
pytest.register_assert_rewrite(*(f"{__name__}.{noun}" for noun in _NOUNS))

from callstore.testing.contract.acts import (  # noqa: E402 - rewritten from here on
    TestPrivilegedActs,
)
from callstore.testing.contract.auditing import TestAudit, TestExpiryOfTheAudit  # noqa: E402
from callstore.testing.contract.by_key import TestByKey  # noqa: E402
from callstore.testing.contract.captions import (  # noqa: E402
    TestCaptions,
    TestWhoMaySpeak,
)
from callstore.testing.contract.clocks import TestClock  # noqa: E402
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
from callstore.testing.contract.deleting import TestDeleteConversation  # noqa: E402
from callstore.testing.contract.entrances import TestEveryEntrance  # noqa: E402
from callstore.testing.contract.erasing import TestErase  # noqa: E402
from callstore.testing.contract.exporting import TestPersonalExport  # noqa: E402
from callstore.testing.contract.files import TestFiles, TestLinks  # noqa: E402
from callstore.testing.contract.going import (  # noqa: E402
    TestCancel,
    TestDecline,
    TestEnd,
    TestFailed,
    TestLeave,
    TestWhatAnEndLeaves,
)
from callstore.testing.contract.holds import TestHolds  # noqa: E402
from callstore.testing.contract.lives import TestLives  # noqa: E402
from callstore.testing.contract.looking_back import TestStateAt, TestTimeline  # noqa: E402
from callstore.testing.contract.media import TestMedia, TestWrongCall  # noqa: E402
from callstore.testing.contract.quality import TestAnalysis, TestReports  # noqa: E402
from callstore.testing.contract.races import (  # noqa: E402
    TestOneOfAGroupThatCannotBeWritten,
    TestRaces,
)
from callstore.testing.contract.random_pasts import TestRandomPasts  # noqa: E402
from callstore.testing.contract.reading import (  # noqa: E402
    TestFilters,
    TestLongFilteredPages,
    TestPages,
    TestSeenAndHidden,
    mixed,
)
from callstore.testing.contract.recordings import TestRecordings  # noqa: E402
from callstore.testing.contract.retention import TestRetention, TestStamps  # noqa: E402
from callstore.testing.contract.searching import TestExport, TestSearch  # noqa: E402
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
from callstore.testing.contract.uploads import TestUploads  # noqa: E402
from callstore.testing.contract.world import (  # noqa: E402
    calls,
    clock,
    files_url,
    new_id,
    opening,
    store_url,
)

NEEDS_SHARING = (TestSeveralOpeners, TestSweepLease)

__all__ = [
    "NEEDS_SHARING",
    "TestAnalysis",
    "TestAnswer",
    "TestAudit",
    "TestByKey",
    "TestCancel",
    "TestCaptions",
    "TestChosenId",
    "TestClock",
    "TestConnected",
    "TestDecline",
    "TestDeleteConversation",
    "TestEarlyJoin",
    "TestEnd",
    "TestErase",
    "TestEveryEntrance",
    "TestExpiryOfTheAudit",
    "TestExport",
    "TestFailed",
    "TestFiles",
    "TestFilters",
    "TestFullCall",
    "TestHolds",
    "TestLeave",
    "TestLinks",
    "TestLives",
    "TestLongFilteredPages",
    "TestLost",
    "TestMedia",
    "TestMode",
    "TestOneLiveCall",
    "TestOneOfAGroupThatCannotBeWritten",
    "TestPages",
    "TestPersonalExport",
    "TestPrivilegedActs",
    "TestRaces",
    "TestRandomPasts",
    "TestRecordings",
    "TestRejoin",
    "TestReports",
    "TestRetention",
    "TestRing",
    "TestRingDeadline",
    "TestSearch",
    "TestSeenAndHidden",
    "TestSeveralOpeners",
    "TestStamps",
    "TestStart",
    "TestStateAt",
    "TestSweepLease",
    "TestTimeline",
    "TestUploads",
    "TestWhatAnEndLeaves",
    "TestWhoMaySpeak",
    "TestWrongCall",
    "calls",
    "clock",
    "files_url",
    "mixed",
    "new_id",
    "opening",
    "other",
    "store_url",
]
