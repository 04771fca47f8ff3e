import pytest
from callstore.testing.contract.world import *
from callstore.testing.contract.starting import *
from callstore.testing.contract.coming import *
from callstore.testing.contract.going import *
from callstore.testing.contract.media import *
from callstore.testing.contract.reading import *
from callstore.testing.contract.deadlines import *
from callstore.testing.contract.looking_back import *

@pytest.fixture
def store_url() -> str:
    return "memory:"
