"""After a kill or a power cut a file is the old one or the new one, never empty."""

import errno
import json

import pytest
import torch
from safetensors.torch import save_file

from pipeline.lifter import Lifter
from pipeline.runs.files import (
    created_file,
    finish_folder_swap,
    replaced_file,
    replaced_folder,
    sha256_of_file,
    sha256_of_json,
    write_json,
    write_text,
    write_texts,
)
from pipeline.runs.json_lines import append_line
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from tests.small_disk import small_files


def test_a_run_writes_its_configuration_and_status_durably(disk, tmp_path):
    run = RunFolder(tmp_path / "run")
    with run:
        run.record({"seed": 1})
        run.mark("running")
    disk.require_durable(tmp_path / "run" / "config.json")
    disk.require_durable(tmp_path / "run" / "status.json")


def test_a_training_state_is_synced_before_it_takes_its_place(disk, tmp_path):
    for step in range(2):
        SafetensorsCheckpointIO().save_checkpoint(
            {"w": torch.ones(9), "n": step}, tmp_path / "last"
        )
        for name in ("state.json", "part-000.safetensors"):
            disk.require_durable(tmp_path / "last" / name)


def test_a_student_is_synced_before_it_takes_its_place(disk, tmp_path, untrained_student):
    Lifter.load(untrained_student).save(tmp_path / "student.safetensors")
    disk.require_durable(tmp_path / "student.safetensors")


def test_results_are_synced_before_they_take_their_place(disk, tmp_path):
    write_json(tmp_path / "results.json", {"psnr": 1.0}, indent=1, allow_nan=False)
    disk.require_durable(tmp_path / "results.json")


def test_created_files_and_lines_are_synced(disk, tmp_path):
    assert created_file(tmp_path / "one", b"first") and not created_file(tmp_path / "one", b"other")
    disk.require_durable(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"first" and len(list(tmp_path.iterdir())) == 1
    append_line(tmp_path / "lines", {"a": 1})
    found = (tmp_path / "lines").stat()
    assert ("sync", found.st_ino, found.st_size) in disk.calls
    assert tmp_path.stat().st_ino in [call[1] for call in disk.calls if call[0] == "sync"]


def test_a_file_that_breaks_off_leaves_the_old_one_and_nothing_beside_it(tmp_path):
    path = tmp_path / "made" / "file.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="full"), replaced_file(path) as temporary:
        temporary.write_text("ne")
        raise OSError("full")
    assert path.read_text() == "old" and [file.name for file in path.parent.iterdir()] == [
        path.name
    ]


def test_a_folder_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path):
    folder = tmp_path / "teacher"
    for name in ("old", "new"):
        with replaced_folder(folder) as writing:
            (writing / name).write_text(name)
    assert [path.name for path in folder.iterdir()] == ["new"]
    with pytest.raises(OSError, match="full"), replaced_folder(folder) as writing:
        (writing / "half").write_text("")
        raise OSError("full")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["teacher"]


def test_files_that_belong_together_are_written_together_or_not_at_all(tmp_path):
    write_text(tmp_path / "a", "old")
    with small_files(64), pytest.raises(OSError) as caught:
        write_texts(tmp_path, {"a": "new", "b": "x" * 65})
    assert caught.value.filename == str(tmp_path / "b")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    write_texts(tmp_path, {"a": "new", "b": "x"})
    assert (tmp_path / "a").read_text() == "new" and (tmp_path / "b").read_text() == "x"


def test_what_the_system_refuses_names_the_file_also_where_the_library_has_its_own_error(tmp_path):
    with small_files(64):
        with pytest.raises(OSError) as caught, replaced_folder(tmp_path / "teacher") as writing:
            save_file({"w": torch.ones(99)}, writing / "generator.safetensors")
        assert caught.value.errno == errno.EFBIG
        assert caught.value.filename == str(tmp_path / "teacher")
        with pytest.raises(OSError) as caught:
            created_file(tmp_path / "one", bytes(65))
        assert caught.value.filename == str(tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_a_run_and_its_lines_that_find_no_room_are_named(tmp_path):
    with small_files(4), pytest.raises(OSError) as caught, RunFolder(tmp_path / "run"):
        pass
    assert caught.value.filename == str(tmp_path / "run")
    with small_files(4), pytest.raises(OSError) as caught:
        append_line(tmp_path / "lines.jsonl", {"a": 1})
    assert caught.value.filename == str(tmp_path / "lines.jsonl")


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (("",), ""),
        (("", "~writing"), ""),
        (("~previous", "~writing"), "~writing"),
        (("~previous",), "~previous"),
        (("", "~previous"), ""),
    ],
)
def test_a_swap_that_was_killed_at_any_moment_is_finished_by_the_next_writer(tmp_path, found, kept):
    for suffix in found:
        write_text(tmp_path / f"teacher{suffix}" / "text", suffix)
    finish_folder_swap(tmp_path / "teacher")
    assert [path.name for path in tmp_path.iterdir()] == ["teacher"]
    assert (tmp_path / "teacher" / "text").read_text() == kept


def test_json_keeps_what_python_reads_back_and_refuses_it_on_demand(tmp_path):
    write_json(tmp_path / "a.json", {"ä": float("inf")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"ä": float("inf")}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")}, allow_nan=False)
    assert json.loads((tmp_path / "a.json").read_text()) == {"ä": float("inf")}


def test_hashes_are_of_bytes_and_of_values(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc").startswith("ba7816bf8f01cfea")  # FIPS 180-2, B.1
    assert sha256_of_json({"a": 1, "b": [2]}) == sha256_of_json({"b": [2], "a": 1})
