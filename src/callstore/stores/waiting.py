"""How long to wait before what was in another's way is tried again."""

import asyncio
import random

_CAP = 7  # doublings: an eighth of a second


async def back_off(tries: int) -> None:
    """Some of a millisecond at first, then longer and longer, at most a tenth of a second."""
    await asyncio.sleep(random.uniform(0, min(0.001 * 2 ** min(tries, _CAP), 0.1)))
