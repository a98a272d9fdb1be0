"""Lines survive a kill, a torn end is ignored, and two writers are refused."""

import math

import pytest
import torch

from pipeline.runs.json_lines import LineFile, append_line, read_lines, write_lines


def test_a_torn_last_line_is_forgotten_and_cut_off(tmp_path):
    path = tmp_path / "deep" / "lines.jsonl"
    with LineFile(path) as file:
        file.append([{"item": "a", "psnr": math.nan}, {"item": "ü"}])
    path.write_bytes(path.read_bytes() + b'{"item": "tor')
    assert read_lines(path) == [{"item": "a", "psnr": None}, {"item": "ü"}]
    with LineFile(path) as file:
        file.append([{"item": "b"}])
    assert [line["item"] for line in read_lines(path)] == ["a", "ü", "b"]
    assert read_lines(tmp_path / "nothing.jsonl") == []


def test_a_damaged_line_in_the_middle_is_no_torn_end(tmp_path):
    (tmp_path / "lines.jsonl").write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(ValueError, match=r"lines\.jsonl, line 2 isn't JSON"):
        read_lines(tmp_path / "lines.jsonl")


def test_two_writers_of_one_file_are_refused(tmp_path):
    with (
        LineFile(tmp_path / "lines.jsonl"),
        pytest.raises(ValueError, match="another process"),
        LineFile(tmp_path / "lines.jsonl"),
    ):
        pass


def test_numbers_come_back_as_they_were(tmp_path):
    values = torch.rand(100).tolist()
    with LineFile(tmp_path / "lines.jsonl") as file:
        file.append([{"value": value} for value in values])
    assert [line["value"] for line in read_lines(tmp_path / "lines.jsonl")] == values


def test_one_line_is_appended_after_what_is_there_and_a_torn_end_is_cut(tmp_path):
    path = tmp_path / "lines.jsonl"
    write_lines(path, [{"item": "a", "value": math.inf}])
    path.write_bytes(path.read_bytes() + b"to")
    append_line(path, {"item": "b"})
    assert path.read_text() == '{"item": "a", "value": null}\n{"item": "b"}\n'
