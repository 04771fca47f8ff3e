"""What `Calls` is made of."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from callstore.calls.describe import Describe
from callstore.captions.facade import Captions
from callstore.privacy.audit import Audit
from callstore.privacy.facade import Privacy
from callstore.privacy.holds import Holds
from callstore.quality.facade import Quality
from callstore.recordings.facade import Recordings
from callstore.retention.doctor import Doctor
from callstore.retention.facade import Retention
from callstore.retention.sweep import Sweep
from callstore.schema.facade import Schema
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.protocol import Store


class Parts(Struct, frozen=True, kw_only=True):
    """Of one store, each made by `open_calls`."""

    store: Store
    group: Group
    clock: Callable[[], datetime]
    settings: Settings
    describe: Describe | None
    audit: Audit
    captions: Captions
    quality: Quality
    recordings: Recordings
    privacy: Privacy
    holds: Holds
    retention: Retention
    schema: Schema
    sweep: Sweep
    doctor: Doctor
