"""`trilift provenance` and `trilift lift provenance=c2pa`."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.manifests.verification import verify
from pipeline.runs.files import sha256_of_file
from pipeline.verbs import lift, provenance

pytest.importorskip("c2pa", reason="pip install 'trilift[provenance]'")


@pytest.fixture
def configured(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def run(*overrides: str) -> int:
    try:
        provenance.main(compose("provenance", *overrides))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_lifted_pictures_and_films_are_signed_last_and_shown(
    configured, untrained_student, tmp_path, capsys
):
    assert run("action=init") == 0
    said = capsys.readouterr().out
    assert "untrusted" in said and "BEGIN" not in said
    photograph = tmp_path / "anna.png"
    Image.new("RGB", (40, 40), "red").save(photograph)
    overrides = [f"input={photograph}", f"output={tmp_path / 'out'}", "turntable.frames=2"]
    overrides += [f"checkpoint={untrained_student}", "portraits=centre", "provenance=c2pa"]
    folder = tmp_path / "out" / "anna"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "holiday.jpg")
    lift.main(compose("lift", *overrides, "label=true"))
    film = next(folder.glob("turntable.*"))
    states = {path.name: verify(path).state for path in folder.iterdir()}
    signed = {name for name, state in states.items() if state == "untrusted"}
    assert signed == {"sheet.png", "depth.png", film.name}
    assert set(states.values()) == {"untrusted", "none"}
    verdict = verify(film)
    assert verdict.ingredients == [f"inputTo photograph sha256:{sha256_of_file(photograph)}"]
    assert verdict.origin["student"]["sha256"] == sha256_of_file(untrained_student)
    assert verdict.origin["teacher"]["name"] == "spheres" and verdict.origin["method"] == "student"
    capsys.readouterr()
    assert run("action=show", f"file={folder / 'sheet.png'}") == 3
    text = capsys.readouterr().out
    assert "compositeWithTrainedAlgorithmicMedia" in text and "spheres" in text
    root = tmp_path / "config" / "trilift" / "provenance" / "root.pem"
    assert run("action=show", f"file={folder / 'sheet.png'}", f"anchors={root}") == 0
    assert run("action=show", f"file={folder / 'crop.png'}") == 4
    Image.open(folder / "sheet.png").save(folder / "again.png")
    assert run("action=show", f"file={folder / 'again.png'}") == 4  # a save drops the manifest
    content = bytearray((folder / "sheet.png").read_bytes())
    content[-20] ^= 1
    (folder / "sheet.png").write_bytes(content)
    capsys.readouterr()
    assert run("action=show", f"file={folder / 'sheet.png'}", "format=json") == 1
    record = json.loads(capsys.readouterr().out)
    assert record["state"] == "broken" and "assertion.dataHash.mismatch" in record["reasons"]


def test_lift_without_a_certificate_says_how_to_make_one(configured, untrained_student, tmp_path):
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    config = compose(
        "lift",
        f"input={tmp_path / 'a.png'}",
        f"output={tmp_path / 'out'}",
        f"checkpoint={untrained_student}",
        "provenance=c2pa",
    )
    with pytest.raises(FileNotFoundError, match="trilift provenance init"):
        lift.main(config)
    assert not (tmp_path / "out").exists()


def test_the_action_is_named_in_the_error(configured):
    with pytest.raises(ValueError, match="init, or show FILE"):
        provenance.main(compose("provenance", "action=sign"))
    with pytest.raises(ValueError, match="needs a file"):
        provenance.main(compose("provenance", "action=show"))
