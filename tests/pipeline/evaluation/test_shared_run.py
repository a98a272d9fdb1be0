"""Several processes evaluate one suite."""

import logging
from typing import Any

from pipeline.evaluation import shared_run
from pipeline.evaluation.engine import Task
from pipeline.evaluation.shared_run import wait_for_others
from pipeline.evaluation.work_share import WorkShare


class ToyTask(Task):
    """Items of one view, and one method."""

    method_names = property(lambda self: ["student"])
    item_names = property(lambda self: ["a", "b", "c", "d"])
    manifest = property(lambda self: {"items": [{"name": n, "views": 1} for n in self.item_names]})

    def __init__(self) -> None:
        """Without a suite."""


def line(item: str) -> dict[str, Any]:
    return {"method": "student", "item": item, "view": 0}


def test_waiting_names_the_shares_that_are_missing(monkeypatch, caplog, tmp_path):
    written = iter(["ad", "adb", "adbc"])
    monkeypatch.setattr(shared_run, "all_lines", lambda _: [line(item) for item in next(written)])
    monkeypatch.setattr(shared_run, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(shared_run, "NOTE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        lines = wait_for_others([ToyTask()], tmp_path, WorkShare(0, 3))
    assert [entry["item"] for entry in lines] == ["a", "d", "b", "c"]
    said = [record.getMessage() for record in caplog.records]
    assert "process 1, 2 of 3" in said[0] and "2 pairs" in said[0]
    assert "process 2 of 3" in said[1] and len(said) == 2
