"""What tests of callstore, and of what is built on it, need: a clock, ids, data, the contract."""

from callstore.testing.clock import FakeClock
from callstore.testing.data import chosen_id, conversation, fake_ids, guest, user

__all__ = ["FakeClock", "chosen_id", "conversation", "fake_ids", "guest", "user"]
