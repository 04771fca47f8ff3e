import os
import re
import subprocess
import sys
import time

import pytest

from callstore.ids import NOBODY, id_maker, parse_id

IN_A_FORK = """
import os
from callstore.ids import id_maker
new_id = id_maker()
made = [new_id()]
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, " ".join(new_id() for _ in range(1000)).encode())
    os._exit(0)
os.wait()
theirs = os.read(reader, 1 << 16).decode().split()
ours = made + [new_id() for _ in range(1000)]
print(len({*ours, *theirs}), len({id[8:18] for id in theirs} & {id[8:18] for id in ours}))
"""


def test_ids_are_object_ids() -> None:
    made = id_maker()()
    assert re.fullmatch("[0-9a-f]{24}", made)
    assert abs(int(made[:8], 16) - time.time()) < 10


def test_ids_are_never_twice_the_same() -> None:
    makers = [id_maker() for _ in range(10)]
    made = [maker() for _ in range(5000) for maker in makers]
    assert len(set(made)) == len(made)


def test_the_counter_starts_again_after_its_last() -> None:
    new_id = id_maker()
    first = [new_id()[18:] for _ in range(3)]
    numbers = [int(number, 16) for number in first]
    assert [(n - numbers[0]) % (1 << 24) for n in numbers] == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_does_not_make_its_parents_ids() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FORK], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2001", "0"]


@pytest.mark.parametrize("id", ["0123456789abcdef01234567", "0123456789ABCDEF01234567"])
def test_ids_are_lowered(id: str) -> None:
    assert parse_id(id) == id.lower()


@pytest.mark.parametrize(
    "wrong", [NOBODY, "", "a" * 23, "a" * 25, "g" * 24, "a" * 23 + "\n", " " + "a" * 23, 7, None]
)
def test_what_is_no_id_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_id(wrong)
