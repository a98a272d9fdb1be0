"""Who only asks whether a file is locked must not keep its owner from locking it."""

import fcntl
import time

from pipeline.runs.lock import is_locked, take_lock
from pipeline.runs.run_folder import RunFolder
from pipeline.sweeps.cell import Cell


def test_a_file_is_locked_while_it_is_open(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    with path.open("a") as file, path.open("a") as other:
        assert take_lock(file) and is_locked(path) and not take_lock(other)
    assert not is_locked(path)


def test_a_run_and_a_cell_begin_although_another_process_asks_whether_they_run(
    tmp_path, monkeypatch
):
    for name in ("run/lock", "cell/cell.lock"):
        path = tmp_path / name
        path.parent.mkdir()
        asking = path.open("a")
        fcntl.flock(asking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda seconds, asking=asking: asking.close())
        if name == "run/lock":
            with RunFolder(path.parent):
                assert asking.closed
        else:
            with Cell("distill", (), (), path.parent).held() as lock:
                assert lock is not None and asking.closed


def test_two_processes_that_ask_do_not_take_each_other_for_the_owner(tmp_path):
    path = tmp_path / "lock"
    with path.open("a") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_locked(path)
