"""The E-model against 623 reference rows, 24 of them published check values."""

import csv
from pathlib import Path

import pytest

from callstore.quality import emodel

DATA = Path(__file__).parent / "data/emodel_reference.csv"
ROWS = list(csv.DictReader(DATA.read_text().splitlines()))


def _numbers(row: dict[str, str]) -> dict[str, float]:
    numbers = {}
    for name, text in row.items():
        try:
            numbers[name] = float(text)
        except ValueError:
            continue
    return numbers


def _computed(row: dict[str, str], n: dict[str, float]) -> dict[str, float]:
    """What the model of the row says: R, MOS, GoB, PoW and, but for a bare mapping, Ie_eff."""
    if row["model"] == "mapping":
        return _people(n["R"], n["R"], emodel.mos(n["R"]))
    if row["model"] == "G.107.2":
        r = emodel.fullband_rating(n["Ta_oneway_ms"], n["Ppl_pct"], ie=n["Ie"], bpl=n["Bpl"])
        found = _people(r, r / 148 * 100, emodel.fullband_mos(r))
        return found | {"Ie_eff": emodel.fullband_ie_eff(n["Ppl_pct"], ie=n["Ie"], bpl=n["Bpl"])}
    path = emodel.Path(
        ie=n["Ie"],
        bpl=n["Bpl"],
        burst_r=n["BurstR"],
        ta=n["Ta_oneway_ms"],
        t=n["T_ms"],
        tr=n["Tr_ms"],
        ppl=n["Ppl_pct"],
    )
    r = emodel.rating(path)
    impairment = emodel.ie_eff(path.ppl, ie=path.ie, bpl=path.bpl, burst_r=path.burst_r)
    return _people(r, r, emodel.mos(r)) | {"Ie_eff": impairment}


def _people(r: float, scale: float, mos: float) -> dict[str, float]:
    good, poor = emodel.good_or_better(scale), emodel.poor_or_worse(scale)
    return {"R": r, "MOS_CQE": mos, "GoB_pct": good, "PoW_pct": poor}


def test_the_reference_has_all_its_rows() -> None:
    assert len(ROWS) == 623
    assert sum(bool(row["published_value"]) for row in ROWS) == 24


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_reference_row(row: dict[str, str]) -> None:
    n = _numbers(row)
    found = _computed(row, n)
    within = {"R": 0.05, "MOS_CQE": 0.01, "GoB_pct": 0.6, "PoW_pct": 0.6, "Ie_eff": 0.6}
    for name, value in found.items():
        assert value == pytest.approx(n[name], abs=within[name]), name
    if row["published_value"]:
        name = {"MOS": "MOS_CQE", "GoB": "GoB_pct", "PoW": "PoW_pct"}.get(
            row["published_quantity"], row["published_quantity"]
        )
        assert found[name] == pytest.approx(n["published_value"], abs=within[name])


def test_mos_is_clamped_where_the_cubic_is_not_monotone() -> None:
    assert emodel.mos(-30) == emodel.mos(0) == 1
    assert emodel.mos(140) == emodel.mos(100) == 4.5
