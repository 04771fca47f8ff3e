"""The contract is whole: a store that imports it runs all of it."""

import importlib
import pkgutil

from callstore.testing import contract


def test_every_class_of_the_contract_is_given_out() -> None:
    written = set()
    for found in pkgutil.iter_modules(contract.__path__):
        if found.name not in ("machine", "model"):  # lives against a model: run apart
            module = importlib.import_module(f"{contract.__name__}.{found.name}")
            written |= {
                name
                for name, value in vars(module).items()
                if name.startswith("Test") and value.__module__ == module.__name__
            }
    assert written == {name for name in contract.__all__ if name.startswith("Test")}


def test_what_needs_sharing_is_of_the_contract() -> None:
    assert {kind.__name__ for kind in contract.NEEDS_SHARING} <= set(contract.__all__)
