"""retention: plan, run; and the sweep that does it once an hour."""

import json
from datetime import UTC, datetime, timedelta

from tests.cli.conftest import Made, Run, Scene

from callstore import Calls
from callstore.testing import FakeClock


def over(made: Made, talk: Scene, clock: FakeClock, days: int = 100) -> None:
    """A call that ended so many days ago, and was swept then."""
    clock.set(datetime.now(UTC) - timedelta(days=days))

    async def work(calls: Calls) -> None:
        await talk(calls)
        clock.advance(400)
        await calls.sweep()

    made(work)


def test_what_has_expired_is_shown_and_goes(
    run: Run, made: Made, talk: Scene, clock: FakeClock
) -> None:
    over(made, talk, clock)
    planned = run("retention", "plan")
    assert planned.exit_code == 0
    assert "CallSession" in planned.stdout
    assert " 0 files of recordings would go as of 20" in planned.stdout
    document = json.loads(run("retention", "plan", "--json").stdout)
    assert document["rows"]["CallSession"] == 1
    went = json.loads(run("retention", "run", "--json").stdout)
    assert went["rows"] == document["rows"]
    assert run("retention", "run").stdout.startswith("0 rows and 0 files of recordings went as of")
    assert json.loads(run("doctor", "--json").stdout)["calls"] == 0


def test_what_will_expire_is_known(run: Run, made: Made, talk: Scene, clock: FakeClock) -> None:
    over(made, talk, clock, days=80)
    assert run("retention", "plan", "--in", "9").stdout.startswith("0 rows")
    assert "CallSession" in run("retention", "plan", "--in", "11").stdout
    assert run("retention", "plan", "--in", "-1").exit_code == 2


def test_a_plan_says_what_it_does_not_know(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    said = run("retention", "plan").stdout
    assert said.endswith("1 ended call is not stamped yet: a sweep does that, or a run\n")
