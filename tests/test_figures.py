"""What the scripts in docs/figures say about what they measure."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from pipeline.evaluation.picture_store import PictureStore
from pipeline.evaluation.report.results_folder import Results, read_results
from tests.pipeline.evaluation.toy_results import ToyMethod, write_results


@pytest.fixture
def figure(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "docs" / "figures")
    return importlib.import_module


@pytest.fixture
def astronaut(figure) -> ModuleType:
    return figure("astronaut")


def test_the_astronauts_statement_counts_lifts_that_are_farther(astronaut):
    others = [0.7 + 0.001 * n for n in range(97)] + [0.5, 0.55, None]
    said = astronaut.statement(0.6, others)
    assert "(identity distance 0.600) than those of 98 of 100 test heads are" in said
    assert "(1 of them have no face); theirs: 0.500 to 0.796. 95%: met." in said
    assert astronaut.statement(0.75, others).endswith("95%: missed.")


def test_a_lift_without_a_face_is_nobodys(astronaut):
    assert astronaut.statement(None, [0.5, None]) == (
        "No face is found in the astronaut's lift, so it is nearer than none of 2."
    )


def compared(folder: Path, student: float, others: float) -> Results:
    """A toy evaluation of all methods, by how far each is off (grey levels)."""
    methods = [
        ToyMethod(name, name, kind, off, seconds)
        for name, kind, off, seconds in (
            ("student", "student", student, 0.03),
            ("w", "inversion", others, 60.0),
            ("pti", "inversion", others, 120.0),
        )
    ]
    found = read_results(write_results(folder, items=3, views=5, methods=methods))
    text = json.dumps(found.summary).replace('"psnr"', '"psnr_foreground"')
    rows = [{**row, "psnr_foreground": row["psnr"]} for row in found.rows]
    return Results(found.folder, json.loads(text), rows)


def test_methods_are_compared_on_the_same_views_beyond_a_gap(figure, tmp_path):
    methods = figure("methods")
    better = compared(tmp_path / "better", student=10.0, others=20.0)
    said = list(methods.statements(better))
    assert "wanted ≥ 0: met" in said[0] and "wanted ≥ -1: met" in said[1]
    assert said[2] == "PTI takes 4,000 × the student's time, wanted ≥ 3,000: met"
    # twice the error is 6 dB
    assert methods.beyond(better, "student", "w", 15.0)["difference"] == pytest.approx(6, abs=0.5)
    worse = compared(tmp_path / "worse", student=20.0, others=10.0)
    assert all("missed" in text for text in list(methods.statements(worse))[:2])
    table = methods.table(better)
    assert table.count("\n") == 4 and "45–60°" in table and "2 min" in table
    methods.picture(better, tmp_path / "methods.png")
    assert (tmp_path / "methods.png").stat().st_size > 5000


def test_a_table_goes_between_a_documents_markers(figure, tmp_path):
    methods, document = figure("methods"), tmp_path / "results.md"
    document.write_text(
        "a\n<!-- methods on puppets -->\nold\n<!-- end of methods on puppets -->\nz"
    )
    methods.write_into(document, "puppets", "new")
    methods.write_into(document, "puppets", "newer")
    assert document.read_text() == (
        "a\n<!-- methods on puppets -->\nnewer\n<!-- end of methods on puppets -->\nz"
    )
    with pytest.raises(ValueError, match="has no place for the table"):
        methods.write_into(document, "heads", "new")


@pytest.mark.parametrize(
    ("suite", "picture"), [("puppets", "methods.png"), ("heads", "methods_heads.png")]
)
def test_each_suite_has_its_own_picture(figure, monkeypatch, tmp_path, suite, picture):
    methods, drawn = figure("methods"), []
    found = compared(tmp_path, student=10.0, others=20.0)
    monkeypatch.setattr(methods, "evaluate", lambda *settings: None)
    monkeypatch.setattr(methods, "read_results", lambda output: found)
    monkeypatch.setattr(methods, "picture", lambda results, path: drawn.append(path))
    monkeypatch.setattr(sys, "argv", ["methods.py", "bundled/a", "--suite", suite])
    methods.main()
    assert drawn == [methods.DOCS / picture] and methods.DOCS.name == "docs"


def test_documents_without_markers_are_refused_before_anything_is_evaluated(
    figure, monkeypatch, tmp_path, capsys
):
    methods, document = figure("methods"), tmp_path / "results.md"
    monkeypatch.setattr(methods, "evaluate", lambda *settings: pytest.fail("evaluated"))
    monkeypatch.setattr(sys, "argv", ["methods.py", "bundled/a", "--into", str(document)])
    for content, said in (("no markers", "has no place for the table"), (None, "No such file")):
        document.unlink(missing_ok=True)
        if content is not None:
            document.write_text(content)
        with pytest.raises(SystemExit):
            methods.main()
        assert said in capsys.readouterr().err


def test_a_failed_evaluation_gives_its_status(figure, monkeypatch, tmp_path):
    methods = figure("methods")
    failed = subprocess.CompletedProcess([], 2)
    monkeypatch.setattr(methods.subprocess, "run", lambda command, check: failed)
    with pytest.raises(SystemExit) as leaving:
        methods.evaluate("bundled/nobody", "puppets", 1, tmp_path, [])
    assert leaving.value.code == 2


class Parsed(Exception):
    """The default of --weights."""


@pytest.mark.parametrize("script", ["weight_proofs", "astronaut", "streaming", "codec_planes"])
def test_weights_are_where_the_program_looks_for_them(figure, monkeypatch, script):
    def stop(parser: argparse.ArgumentParser) -> None:
        raise Parsed(parser.get_default("weights"))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    for folder in ("/somewhere", None):
        if folder is None:
            monkeypatch.delenv("TRILIFT_WEIGHTS")
        else:
            monkeypatch.setenv("TRILIFT_WEIGHTS", folder)
        with pytest.raises(Parsed) as parsed:
            figure(script).main()
        assert parsed.value.args == (Path(folder or "weights"),)


def test_a_sheet_shows_the_suites_people_alone(figure, monkeypatch, tmp_path):
    sheet, store = figure("sheet"), PictureStore(tmp_path)
    names = ["puppet00000", "puppet00001"]
    (tmp_path / "manifest.json").write_text(json.dumps({"items": [{"name": n} for n in names]}))
    for name in (*names, "sample1000000000"):
        store.put_picture(store.picture("input", name, 0), torch.zeros(3, 8, 8))
    for number, name in enumerate(names, 1):
        for method in sheet.ROWS[1:]:
            store.put_picture(store.picture(method, name, number), torch.zeros(3, 8, 8))
    monkeypatch.setattr(sys, "argv", ["sheet.py", str(tmp_path), str(tmp_path / "sheet.png")])
    sheet.main()
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width // sheet.CELL == 2


def test_poses_of_people_without_a_face_are_dashes(figure):
    poses = figure("pose_errors")
    table = poses.table([poses.Case(10.0)])
    assert "| mesh | 0–15 | 1 (1) | – | – | – | – | – | – |" in table
    assert len({line.count("|") for line in table.splitlines()}) == 1
