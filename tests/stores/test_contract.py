"""The contract is whole: a store that imports it runs all of it."""

import importlib
import pkgutil

from callstore.testing import contract

# Random lives against a plain model, run apart; and what all entrances take.
APART = {"good", "machine", "moves", "plain", "plain_rows", "consequences", "compare"}


def test_every_module_is_of_the_contract_or_apart() -> None:
    found = {module.name for module in pkgutil.iter_modules(contract.__path__)}
    assert found == {*contract._NOUNS, *APART}


def test_every_class_of_the_contract_is_given_out() -> None:
    written = set()
    for noun in contract._NOUNS:
        module = importlib.import_module(f"{contract.__name__}.{noun}")
        written |= {
            name
            for name, value in vars(module).items()
            if name.startswith("Test") and value.__module__ == module.__name__
        }
    assert written == {name for name in contract.__all__ if name.startswith("Test")}


def test_what_needs_sharing_is_of_the_contract() -> None:
    assert {kind.__name__ for kind in contract.NEEDS_SHARING} <= set(contract.__all__)
