"""Students are found by name and saved as folders that the Hugging Face Hub takes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from safetensors import safe_open

from pipeline.inference import Reconstructor, pretrained
from pipeline.inference.pretrained import BUNDLED, student_file
from pipeline.lifter import Lifter
from pipeline.runs.kernel_choice import MEANING_OF_AUTO
from teachers.kernels import kernels

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def no_network(monkeypatch) -> None:
    """Whoever downloads fails."""

    def refuse(*_, **__):
        raise AssertionError("this name is no repository's, and something was downloaded")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


@pytest.fixture
def saved(untrained_student, tmp_path) -> Path:
    """The folder of `save_pretrained`."""
    reconstructor = Reconstructor(Lifter.load(untrained_student))
    return reconstructor.save_pretrained(tmp_path / "spheres", description="Lifts *spheres*.")


@pytest.fixture
def cache(saved, tmp_path, monkeypatch) -> Path:
    """A cache of the Hub with the saved folder as lab/spheres, and no connection."""
    repository = tmp_path / "hub" / "models--lab--spheres"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (repository / "refs", repository / "blobs", snapshot):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for number, file in enumerate(sorted(saved.iterdir())):
        blob = repository / "blobs" / f"{number:040x}"
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def state_of(reconstructor: Reconstructor) -> dict[str, torch.Tensor]:
    return reconstructor.lifter.state_dict()


def test_bundled_students_files_and_folders_are_found_without_a_download(
    no_network, untrained_student, saved, monkeypatch, tmp_path
):
    assert student_file("bundled/puppets_tiny") == BUNDLED / "puppets_tiny.safetensors"
    assert student_file("bundled/puppets_tiny.safetensors").parent == BUNDLED
    assert student_file(untrained_student) == untrained_student
    assert student_file(untrained_student.parent) == untrained_student  # a distillation's folder
    assert student_file(saved) == saved / "model.safetensors"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundled").mkdir()
    shutil.copy(untrained_student, tmp_path / "bundled" / "mine.safetensors")
    assert student_file("bundled/mine.safetensors") == Path("bundled/mine.safetensors")
    assert student_file("spheres") == Path("spheres/model.safetensors")


def test_the_default_is_of_heads_where_there_is_one_and_a_world_names_its_largest(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(pretrained, "BUNDLED", tmp_path)
    for name, size, default in (
        ("puppets_tiny", 2, "bundled/puppets_tiny"),
        ("heads_tiny", 1, "bundled/heads_tiny"),
        ("heads_small", 3, "bundled/heads_small"),
    ):
        (tmp_path / f"{name}.safetensors").write_bytes(b"x" * size)
        assert pretrained.bundled_default() == default
    assert student_file("bundled/puppets").name == "puppets_tiny.safetensors"
    assert student_file("bundled/heads").name == "heads_small.safetensors"


@pytest.mark.parametrize(
    "name, message",
    [
        ("bundled/puppets_tny", r"there is .*bundled/puppets_tiny\b"),
        ("gone.safetensors", "OWNER/NAME"),
        ("lab/gone.safetensors", "OWNER/NAME"),
        ("/nowhere/to/be/found", "OWNER/NAME"),
        ("spheres/typo", "OWNER/NAME"),  # spheres/ is a folder here: not an owner on the Hub
    ],
)
def test_a_mistyped_local_name_is_an_error_and_not_a_download(
    no_network, saved, monkeypatch, name, message
):
    monkeypatch.chdir(saved.parent)
    with pytest.raises(FileNotFoundError, match=message):
        student_file(name)


def test_a_student_is_loaded_with_the_kernels_that_are_asked_for(saved, monkeypatch):
    for meaning in ("fast", "readable"):
        monkeypatch.setenv(MEANING_OF_AUTO, meaning)
        Reconstructor.from_pretrained(saved, device="cpu")
        assert kernels() == meaning
    Reconstructor.from_pretrained(saved, device="cpu", kernels="fast")
    assert kernels() == "fast"


def test_a_repository_comes_out_of_the_cache_by_name_and_by_revision(cache, saved):
    expected = state_of(Reconstructor.from_pretrained(saved, device="cpu"))
    for name, revision in (
        ("lab/spheres", None),
        ("lab/spheres", COMMIT),
        (f"lab/spheres@{COMMIT}", None),
        ("lab/spheres@main", None),
    ):
        found = Reconstructor.from_pretrained(
            name, revision=revision, cache_dir=cache, device="cpu"
        )
        assert all(torch.equal(value, expected[key]) for key, value in state_of(found).items())


@pytest.mark.parametrize("name", ["lab/cubes", "lab/spheres@v2"])
def test_without_connection_and_cache_there_is_one_clear_error(cache, name):
    with pytest.raises(FileNotFoundError, match=f"{name} here.*no connection.*HF_HUB_OFFLINE"):
        student_file(name, cache_dir=cache)


def test_a_pickle_is_never_read(cache, saved):
    snapshot = cache / "models--lab--spheres" / "snapshots" / COMMIT
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"expected model\.safetensors"):
        student_file("lab/spheres", cache_dir=cache)


def test_only_the_files_of_a_student_are_downloaded(saved, monkeypatch):
    requested = {}

    def download(repository, **options):
        requested.update(options, repository=repository)
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert student_file("lab/spheres@v1", token="secret") == saved / "model.safetensors"
    assert (requested["repository"], requested["revision"], requested["token"]) == (
        "lab/spheres",
        "v1",
        "secret",
    )
    allowed = ["model.safetensors", "config.json", "README.md", "LICENSE"]
    assert requested["allow_patterns"] == allowed
    assert {file.name for file in saved.iterdir()} == set(allowed)


def test_a_refusal_of_the_hub_is_one_line_of_advice(monkeypatch):
    response = type("Response", (), {"headers": {}, "request": None, "status_code": 404})()

    def download(*_, **__):
        raise huggingface_hub.errors.RepositoryNotFoundError(
            "404 Client Error.\n\nRepository Not Found", response=response
        )

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(FileNotFoundError, match=r"404 Client Error.*hf auth login"):
        student_file("lab/spheres")


def test_the_hub_would_take_the_folder(saved):
    card = ModelCard.load(saved / "README.md")
    assert card.data.to_dict() == {
        "license": "apache-2.0",
        "library_name": "trilift",
        "pipeline_tag": "image-to-3d",
        "tags": ["3d", "novel-view-synthesis", "trilift", "triplane"],
    }
    assert "# spheres" in card.text and "Lifts *spheres*." in card.text
    with safe_open(saved / "model.safetensors", "pt") as file:
        stored = json.loads(file.metadata()["lifter"])
    assert json.loads((saved / "config.json").read_text()) == {"library_name": "trilift", **stored}


def test_a_licence_that_the_hub_has_no_name_for_comes_as_a_file(untrained_student, tmp_path):
    lifter = Lifter.load(untrained_student)
    object.__setattr__(lifter.passport, "licence", "For research only.")
    card = ModelCard.load(pretrained.save_pretrained(lifter, tmp_path / "a") / "README.md")
    assert (card.data.license, card.data.license_link) == ("other", "LICENSE")
    assert (tmp_path / "a" / "LICENSE").read_text() == "For research only.\n"
    card = ModelCard.load(
        pretrained.save_pretrained(lifter, tmp_path / "b", licence="mit") / "README.md"
    )
    assert card.data.license == "mit"


def test_a_card_that_was_edited_stays(saved):
    (saved / "README.md").write_text("mine")
    (saved / "notes.txt").write_text("mine, too")
    Reconstructor.from_pretrained(saved, device="cpu").save_pretrained(saved)
    assert (saved / "README.md").read_text() == "mine"
    assert (saved / "notes.txt").exists()
    with pytest.raises(ValueError, match="is a file"):
        Reconstructor.from_pretrained(saved, device="cpu").save_pretrained(saved / "notes.txt")


def test_lift_takes_a_repository_out_of_the_cache(cache, tmp_path, repository):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "anna.png")
    command = [sys.executable, "-m", "pipeline.verbs.lift", "checkpoint=lab/spheres"]
    command += [
        f"input={tmp_path / 'anna.png'}",
        f"output={tmp_path / 'out'}",
        "turntable.frames=1",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    subprocess.run(command, cwd=repository, env=environment, check=True, timeout=240)
    assert (tmp_path / "out" / "anna" / "sheet.png").exists()
