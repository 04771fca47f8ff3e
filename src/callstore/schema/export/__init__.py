"""The declared rows in other languages' words: what reads and writes beside callstore.

All of it is made from the one declaration: a new field is in each format by itself. CallLease and
CallSchema are left out, for they are callstore's own business.
"""

from importlib import import_module
from typing import Literal, get_args

from callstore.errors import Invalid

Format = Literal["json", "typescript", "zod", "prisma"]


def export_schema(format: Format) -> str:
    """The text of a file: a JSON Schema, TypeScript types, Zod validators or a Prisma schema."""
    if format not in get_args(Format):
        raise Invalid.field("/format", f"must be one of {', '.join(get_args(Format))}")
    module = "json_schema" if format == "json" else format
    text: str = import_module(f"{__name__}.{module}").render()
    return text
