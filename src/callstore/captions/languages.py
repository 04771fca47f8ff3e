"""Language tags (BCP 47): the registry's own, in their canonical form."""

from functools import lru_cache

LONGEST = 35  # characters; what RFC 5646, 4.4.1, has room for


def canonical(tag: object) -> str:
    """`en_us` is `en-US`, `iw` is `he`. ValueError for what is no registered language."""
    made = _canonical(tag) if isinstance(tag, str) and len(tag) <= 2 * LONGEST else ""
    if not made:
        raise ValueError("must be a language tag such as en or pt-BR")
    return made


@lru_cache(maxsize=1024)
def _canonical(tag: str) -> str:
    import langcodes  # its tables take 60 ms to load

    try:
        made = langcodes.standardize_tag(tag) if langcodes.tag_is_valid(tag) else ""
    except ValueError:
        return ""
    return made if 2 <= len(made) <= LONGEST else ""
