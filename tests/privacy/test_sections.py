"""What an export has is what the list of personal data says of it."""

import msgspec

from callstore.privacy.exported import Counts
from callstore.privacy.personal import PERSONAL


def test_each_section_of_personal_data_is_exported() -> None:
    named = {each.export for each in PERSONAL if each.export}
    assert named == {field.encode_name for field in msgspec.structs.fields(Counts)}
