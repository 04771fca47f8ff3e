"""Writes the XML Schema of exports that is shipped, after a change to what an export has."""

from pathlib import Path

from callstore.privacy import xsd


def main() -> None:
    Path(xsd.__file__).with_name("export.xsd").write_text(xsd.xsd(), encoding="utf-8")


if __name__ == "__main__":
    main()
