"""Results on paper: tables, plots, the README."""

import json

import pytest

from tests.benchmarks import bench, report, speed_table

ROW = {
    "state": "done",
    "contenders": {
        "baseline": {"seconds": [9.0, 10.0, 11.0], "peak_bytes": 1_700_000_000},
        "readable": {"seconds": [6.0, 7.0, 8.0], "flop": 1e11},
        "fast": {"seconds": [3.0, 4.0, 5.0], "peak_bytes": 700_000_000},
    },
}


@pytest.fixture
def document():
    machine = {
        "processor": "Testing 1", "flags": ["avx2"], "cores": 2, "memory_gb": 8.0,
        "python": "3.11", "packages": {"torch": "2.11"}, "commit": "abc", "changed": False,
        "date": "2026-01-02T03:04+00:00",
    }  # fmt: skip
    steps = {"seconds": [1.0], "parts": {"teacher": 0.4, "encode": 0.6}}
    curve = {
        "amounts": [1, 2, 4], "seconds": [1.0, 2.0, 4.0], "bytes": [2e6, 4e6, 8e6],
        "exponent": 1.0, "memory_exponent": 1.0,
    }  # fmt: skip
    rows = {
        "rates": {"state": "done", "contenders": {"a": {"seconds": [1.0], "flop": 5e10}}},
        "image": ROW,
        "image_bfloat16": {"state": "not run: this processor has no AVX512-BF16"},
        "laptop": {"state": "done", "contenders": {"readable": steps, "fast": steps}},
        "growth": {"state": "done", "growth": {"rays": curve}},
    }
    stored = {"machine": machine, "rows": {"image": {"fast": 8.0}}}
    return {
        "name": "bench", "machine": machine, "rows": rows, "stored": stored, "others_cores": 0.0,
    }  # fmt: skip


def test_targets_are_met_missed_or_say_why_not_run(document):
    table = report.targets(document)
    assert "| ≥ 2.3 × the baseline | 2.50 × | met |" in table
    assert "| ≤ 0.8 GB peak | 0.70 GB | met |" in table
    assert "| not run: this processor has no AVX512-BF16 |" in table
    assert "| linear or better | exponent ≤ 1.00 | met |" in table


def test_times_have_spread_ratios_floor_and_what_was_stored(document):
    (line,) = [one for one in report.times(document).splitlines() if "| fast | 4" in one]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:9] == ["4 s/image", "± 25% of 3", "2.50", "1.75", "2.00", "2 s", "0.70 GB"]


def test_figures_of_another_processor_are_not_compared(document):
    document["stored"]["machine"] = document["machine"] | {"processor": "Testing 2"}
    assert report.since_stored(document, "image", "fast") == "–"


def test_a_crowded_run_says_so(document):
    assert "Crowded" not in report.caption(document)
    document["others_cores"] = 1.3
    assert "others kept 1.3 cores busy" in report.caption(document)


def test_markdown_and_plots_are_written(document, tmp_path):
    report.write(document, tmp_path)
    text = (tmp_path / "bench.md").read_text()
    assert "Stages of a step of distill" in text and "| rays | 1.00 | 1.00 |" in text
    for plot in ("aims", "stages", "growth"):
        assert f"bench_{plot}.svg" in text
        assert (tmp_path / f"bench_{plot}.svg").stat().st_size > 1000


def test_a_row_that_fails_or_has_no_time_is_reported(document, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "stored", lambda name: None)
    work = {"image": (10.0, lambda seconds: ROW), "rays": (10.0, lambda seconds: ROW)}
    found = bench.run("bench", work, tmp_path, seconds=bench.FEWEST_SECONDS - 1)
    assert found["rows"]["rays"]["state"].startswith("not run")
    assert json.loads((tmp_path / "bench.json").read_text())["rows"] == found["rows"]


def test_a_process_that_takes_too_long_is_ended():
    result = bench.in_process(bench.SHORT[0], "full", 0.5)
    assert result["state"].startswith("ended at its limit")


def test_the_readme_shows_the_stored_figures():
    text = speed_table.README.read_text()
    assert speed_table.replaced(text, speed_table.table(bench.RESULTS)) == text


def test_the_readme_table_is_of_the_stored_figures(document, tmp_path):
    assert speed_table.table(tmp_path) == speed_table.NOTHING
    (tmp_path / "bench.json").write_text(json.dumps(document))
    table = speed_table.table(tmp_path)
    assert "Testing 1" in table and report.targets(document) in table
