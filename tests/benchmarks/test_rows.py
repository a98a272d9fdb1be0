"""Every row measures something, in a small size and in one round."""

import dataclasses

import pytest

from tests.benchmarks.rows import LONG, SHORT
from tests.benchmarks.work import measure

HEAVY = ("laptop", "pretrain", "tiny_lift", "runtimes", "help", "growth", "tests")
RUNTIMES = ("OpenVINO", "OpenVINO, bf16", "ONNX Runtime")
ROWS = {row.name: row for row in (*SHORT, *LONG) if row.name not in ("runtimes", "tests")}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in HEAVY else []) for n in ROWS]
)
def test_a_row_has_a_result(name, monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    row, found = dataclasses.replace(ROWS[name], rounds=1, warm_up=False), []
    measure(row, "tiny", lambda: float("inf"), found.append)
    result = found[-1]
    assert result["state"] == "done"
    if name == "growth":
        assert {"rays", "samples", "plane size", "batch", "identities"} == set(result["growth"])
        return
    for contender, one in result["contenders"].items():
        # A runtime may not be installed, and exports nothing that a type checker has wrapped.
        assert one.get("seconds") or (contender in RUNTIMES and one["unavailable"])
    for aim in row.aims:
        # A quantity of memory is measured in processes of their own.
        assert aim.quantity.startswith("peak") or aim.measured(result) is not None


def test_peak_memory_is_that_of_one_contender():
    found = []
    measure(ROWS["batch"], "tiny", lambda: float("inf"), found.append, memory="fast, batch 4")
    (record,) = found[-1]["contenders"].items()
    assert record[0] == "fast, batch 4" and record[1]["peak_bytes"] > 50e6
