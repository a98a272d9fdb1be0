"""`trilift manifest`: freezing a folder, checking another copy of it, evaluating on it."""

import json
import shutil

import pytest
from PIL import Image, ImageEnhance
from skimage import data

from pipeline.build.configuration import compose
from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suites.wild_suite import WildSuite
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from pipeline.portraits.front_door import PortraitSettings
from pipeline.portraits.frozen import Frozen
from pipeline.verbs import manifest
from teachers.toy import ToyTeacher


def trilift(*settings: str) -> None:
    manifest.main(compose("manifest", *settings))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    Image.fromarray(data.astronaut()).save(folder / "a.png")
    Image.new("RGB", (80, 60), "grey").save(folder / "b.png")
    (folder / "c.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def frozen(photographs, tmp_path_factory):
    path = tmp_path_factory.mktemp("frozen") / "suite.json"
    trilift(f"input={photographs}", f"output={path}", "licence=NASA")
    return path


def test_it_holds_hashes_crops_cameras_and_what_was_missed_but_no_path(frozen, photographs):
    content = json.loads(frozen.read_text())
    assert content["counts"] == {
        "files": 3,
        "crops": 2,
        "faces": 1,
        "faces_missed": 1,
        "cameras": 1,
        "unusable": 1,
    }
    face, nothing, broken = content["pictures"]
    assert len(face["camera"]) == 25 and nothing["camera"] is None and broken["crop"] is None
    assert "no face found" in nothing["note"] and broken["note"]
    assert content["detector"]["sha256"] == FaceMeshDetector().sha256
    assert str(photographs.parent) not in frozen.read_text() and content["licence"] == "NASA"


def test_a_copy_under_other_names_is_the_same_suite(frozen, photographs, tmp_path, capsys):
    for number, file in enumerate(sorted(photographs.iterdir(), reverse=True)):
        shutil.copy(file, tmp_path / f"{number}.png")
    trilift(f"check={frozen}", f"input={tmp_path}")
    said = capsys.readouterr().out
    assert "3 of 3 files are there" in said and Frozen.read(frozen).sha256 in said


def test_missing_changed_and_other_pictures_are_named(frozen, photographs, tmp_path, capsys):
    changed = ImageEnhance.Brightness(Image.open(photographs / "a.png")).enhance(0.9)
    changed.save(tmp_path / "a.png")
    shutil.copy(photographs / "b.png", tmp_path / "b.png")
    (tmp_path / "d.png").write_bytes(b"other")
    with pytest.raises(SystemExit):
        trilift(f"check={frozen}", f"input={tmp_path}")
    said = capsys.readouterr()
    assert said.err.splitlines() == ["a.png is another file", "c.png is missing"]
    assert "1 of 3 files are there" in said.out and "d.png isn't part of it" in said.out


def test_a_manifest_alone_is_checked(frozen, tmp_path, capsys):
    trilift(f"check={frozen}")
    assert "3 files, 2 crops, 1 with a camera" in capsys.readouterr().out
    content = json.loads(frozen.read_text())
    content["pictures"][0]["camera"][3] = float("nan")
    (tmp_path / "nan.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"pictures\[0\]\.camera\[3\] is nan: expected a number"):
        trilift(f"check={tmp_path / 'nan.json'}")
    content["pictures"] = content["pictures"][1:]
    (tmp_path / "fewer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="it was edited"):
        trilift(f"check={tmp_path / 'fewer.json'}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["output=suite.json"], "give input=FOLDER output=SUITE.json"),
        (["input={folder}", "output={folder}/suite.json"], "choose a place outside of it"),
        (["input={folder}", "output={frozen}"], "is there already"),
        (["input={folder}", "output=suite.txt"], "no file of JSON"),
        (["input={folder}", "output={folder}.json", "count=4"], "count 4 of 3 files"),
        (["check={folder}/nothing.json"], "no manifest"),
        (["check={folder}/c.png"], "isn't JSON"),
    ],
)
def test_what_can_t_be_done_is_said(settings, message, frozen, photographs):
    given = [setting.format(folder=photographs, frozen=frozen) for setting in settings]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        trilift(*given)


def test_a_draw_depends_on_contents_not_on_names(photographs, tmp_path):
    for number, file in enumerate(sorted(photographs.iterdir(), reverse=True)):
        (tmp_path / "other").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "other" / f"{number}.png")
    drawn = []
    for folder in (photographs, tmp_path / "other"):
        output = tmp_path / f"{folder.name}.json"
        settings = ["count=2", "seed=3", "portraits=centre"]
        trilift(f"input={folder}", f"output={output}", *settings)
        content = json.loads(output.read_text())
        assert content["drawn"] == {"of": 3, "files": 2, "seed": 3}
        drawn.append({entry["sha256"] for entry in content["pictures"]})
    assert drawn[0] == drawn[1] and len(drawn[0]) == 2


def suite(frozen, folder, **changes) -> WildSuite:
    teacher = ToyTeacher(resolution=32, depth_samples=8, importance_samples=0)
    settings = {
        "context": SuiteContext(passport=teacher.passport, image_size=32),
        "path": str(folder),
        "portraits": PortraitSettings(framing=FaceCrops(FaceMeshDetector())),
        "manifest_file": str(frozen),
    }
    return WildSuite(**{**settings, **changes})


def test_wild_takes_the_frozen_crops_and_cameras(frozen, photographs, tmp_path, monkeypatch):
    for number, file in enumerate(sorted(photographs.iterdir(), reverse=True)):
        shutil.copy(file, tmp_path / f"{number}.png")

    def detect(self, picture):
        raise AssertionError("nothing is detected again")

    monkeypatch.setattr(FaceMeshDetector, "detect", detect)
    items = suite(frozen, tmp_path).items()
    entries = json.loads(frozen.read_text())["pictures"]
    assert [item.name for item in items] == ["a", "b", "c"]
    assert items[0].camera is not None and items[2].image is None and not items[1].face_found
    assert items[0].camera.label()[0].tolist() == pytest.approx(entries[0]["camera"])
    here, there = suite(frozen, photographs), suite(frozen, tmp_path)
    assert here.manifest() == there.manifest() and here.settings() == there.settings()


def test_wild_refuses_an_incomplete_copy(frozen, photographs, tmp_path):
    shutil.copy(photographs / "a.png", tmp_path)
    with pytest.raises(ValueError, match=r"lacks 2 of the 3 files.*b\.png, c\.png"):
        suite(frozen, tmp_path).items()


def test_the_distance_from_lp3d_s_protocol_is_a_table(frozen, photographs):
    name, about = suite(frozen, photographs, alignment="landmarks", protocol="lp3d").results_table(
        {"metrics": {"lpips": {"title": "LPIPS", "weights": {"file": "alexnet.safetensors"}}}}
    )
    rows = {row[0]: row[1:] for row in about["table"]["rows"]}
    assert name == "protocol" and rows["pictures"][2] == "differs" and "3" in rows["pictures"][1]
    assert "2 with an image, 1 with a face" in rows["denominator"][1]
    assert "facemesh" in rows["alignment"][1] and "alexnet.safetensors" in rows["LPIPS"][1]
    assert rows["DISTS"][1] == "unavailable" and "parts differ" in about["notes"][0]
    assert suite(frozen, photographs).results_table({"metrics": {}}) is None
    with pytest.raises(ValueError, match="use lp3d"):
        suite(frozen, photographs, protocol="lp2d")
