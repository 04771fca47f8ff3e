"""Random lives of random parties, held against a plain model of the rules."""

from collections.abc import Callable

from callstore.testing.contract.machine import check_calls
from callstore.testing.contract.moves import QUICK


class TestLives:
    def test_random_lives_go_as_in_the_plain_model(self, fresh_store: Callable[[], str]) -> None:
        """A hundred, each on a store of its own; takes up to a minute."""
        check_calls(fresh_store, QUICK)
