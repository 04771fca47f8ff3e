"""What tests of callstore, and of what is built on it, need: a clock, ids, data, a MongoDB, the
contract."""

from callstore.testing.clock import FakeClock
from callstore.testing.data import chosen_id, conversation, fake_ids, guest, user
from callstore.testing.mongod import LocalMongod, NoMongod, local_mongod

__all__ = [
    "FakeClock",
    "LocalMongod",
    "NoMongod",
    "chosen_id",
    "conversation",
    "fake_ids",
    "guest",
    "local_mongod",
    "user",
]
