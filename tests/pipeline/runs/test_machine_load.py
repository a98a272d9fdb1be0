import pytest

from pipeline.runs.machine_load import MachineLoad


def write_proc(proc, *, user: int, idle: int, own: int) -> None:
    (proc / "7").mkdir(parents=True, exist_ok=True)
    (proc / "stat").write_text(f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
    fields = ["S", *["0"] * 10, str(own), "0", "0"]
    (proc / "7" / "stat").write_text(f"7 (a name (1) {' '.join(fields)}\n".replace("(1)", "1)"))


def test_the_share_of_others_is_what_is_busy_without_our_process(tmp_path):
    write_proc(tmp_path, user=1000, idle=1000, own=500)
    load = MachineLoad(7, proc=tmp_path)
    write_proc(tmp_path, user=1160, idle=1040, own=600)
    assert load.update() == pytest.approx(0.3)


def test_the_last_share_is_kept_when_our_process_has_ended_and_unknown_without_proc(tmp_path):
    write_proc(tmp_path, user=0, idle=0, own=0)
    load = MachineLoad(7, proc=tmp_path)
    write_proc(tmp_path, user=100, idle=100, own=20)
    assert load.update() == pytest.approx(0.4)
    (tmp_path / "7" / "stat").unlink()
    assert load.update() == pytest.approx(0.4)
    assert MachineLoad(7, proc=tmp_path / "none").update() is None
