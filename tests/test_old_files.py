"""Files of earlier versions are read, verified and continued as if nothing had been renamed."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.sampler import build_sampler, build_source
from pipeline.data.latent_shards import LatentShards
from pipeline.lifter import Lifter
from pipeline.verbs import distill, evaluate, generate, pretrain
from teachers.checkpoint import load_discriminator, load_teacher

FIXTURES = Path(__file__).parent / "fixtures" / "967260b"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())

# The command lines that wrote the files: they stay when the tests' small runs change.
TEACHER = ("teacher=folder", "teacher.path=teacher")
DISTILL = (
    *TEACHER,
    "student.image_size=32",
    "student.backbone_widths=[8,8,8]",
    "student.dim=16",
    "student.canonical_blocks=1",
    "student.canonical_widths=[8]",
    "student.detail_widths=[8,8]",
    "student.detail_strides=[1,2]",
    "student.fusion_widths=[8]",
    "student.fusion_dim=16",
    "student.head_widths=[8]",
    "batch_size=4",
    "calibration_samples=4",
    "trainer.threads=1",
    "trainer.log_every=1",
    "callbacks.average.half_life=10",
    "callbacks.validation.every_steps=4",
    "callbacks.validation.samples=2",
    "callbacks.preview.identities=0",
)
TWO_STAGES = (
    "name=distill_two_stages",
    "loss=[triplane,image,feature,depth,dssim,opacity]",
    "plan=two_stage",
    "plan.stages.reconstruction.steps=12",
    "plan.stages.reconstruction.reference_every=3",
    "plan.adversary.r1_every=4",
    "trainer.max_steps=24",
)
PRETRAIN = (
    "name=pretrain",
    "paths.run=pretrain",
    "data=photographs",
    "teacher_network=puppets64",  # as it was for all data
    "licence='Apache-2.0; trained from scratch on procedurally generated people'",
    "data.path=pretrain_data.zip",
    "teacher.z_dim=8",
    "teacher.w_dim=8",
    "teacher.plane_resolution=16",
    "teacher.plane_channels=8",
    "teacher.channel_base=64",
    "teacher.channel_max=8",
    "teacher.hidden_channels=8",
    "teacher.depth_samples=6",
    "teacher.importance_samples=6",
    "teacher.render_resolution=32",
    "teacher.image_resolution=32",
    "discriminator.channel_base=64",
    "discriminator.channel_max=8",
    "discriminator.num_mapping_layers=1",
    "schedule.growth=[[0,16],[16,32]]",
    "schedule.blur_images=16",
    "schedule.decay_images=8",
    "schedule.total_images=64",
    "settings.batch_size=4",
    "settings.density_points=20",
    "settings.r1_every=4",
    "settings.density_every=2",
    "settings.bfloat16=false",
    "progress.every_images=16",
    "progress.scored=16",
    "progress.real=32",
    "progress.drawing.depth_samples=8",
    "progress.drawing.importance_samples=8",
    "trainer.devices=1",
    "trainer.log_every=1",
)
GENERATE = (*TEACHER, "shards.size=3", "count=6", "batch_size=3", "threads=1", "device=cpu")
EVALUATE = (
    *TEACHER,
    "output=evaluation",
    "checkpoint=student/student.safetensors",
    "identities=2",
    "views=3",
    "suite.supersampling=1",
    "methods=[student,mean_planes]",
    "ceiling_identities=2",
    "mean_of=3",
    "calibration_samples=2",
    "suite.invariance.items=1",
    "suite.cache=cache",
    "device=cpu",
)


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A copy of the fixtures, which is the working directory."""
    folder = tmp_path / "old"
    shutil.copytree(FIXTURES, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def close(found: Any, expected: Any, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=tolerance,
        atol=1e-5,
    )


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    for name in getattr(value, "__dataclass_fields__", ()):
        yield from leaves(getattr(value, name), f"{path}.{name}" if path else name)


def last_numbers(pattern: str) -> dict[str, float]:
    """The last number of every column of a run's CSV logs."""
    last: dict[str, float] = {}
    for path in sorted(Path().glob(pattern), key=lambda found: int(found.parent.name[8:])):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                last |= {name: float(text) for name, text in row.items() if text}
    return last


def require_ended(run: str, logs: str) -> None:
    status = json.loads(Path(run, "status.json").read_text())
    expected = EXPECTED[run]
    assert {key: status[key] for key in expected["status"]} == expected["status"]
    found = last_numbers(f"{run}/{logs}/*/metrics.csv")
    assert set(expected["last"]) <= set(found)
    for name, value in expected["last"].items():
        assert found[name] == pytest.approx(value, rel=0.02, abs=2e-3), name


def test_a_student_is_loaded_and_lifts_as_it_did():
    lifter = Lifter.load(FIXTURES / "student" / "student.safetensors")
    picture = torch.linspace(-1, 1, 3 * 32 * 32, dtype=torch.float64).sin().float()
    with torch.inference_mode():
        planes = lifter.lift(picture.reshape(1, 3, 32, 32)).planes.double()
    expected = EXPECTED["student"]
    assert lifter.step == expected["step"] and list(planes.shape) == expected["planes"]["shape"]
    close(planes.reshape(-1)[:8], expected["planes"]["first8"])
    close(planes.norm(), expected["planes"]["norm"])


def test_a_teacher_folder_is_loaded():
    teacher = load_teacher(FIXTURES / "teacher")
    assert teacher.passport.name == "teacher"
    student = Lifter.load(FIXTURES / "student" / "student.safetensors")
    student.passport.require_same(teacher.passport, mine="the student", others="the teacher")
    load_discriminator(FIXTURES / "teacher")


@pytest.mark.parametrize("kind", ["latent", "full"])
def test_shards_verify_and_hold_the_same_samples(old, kind):
    planes = ("shards.planes=float16",) if kind == "full" else ()
    settings = (*GENERATE, f"shards={kind}", f"output=shards_{kind}", *planes)
    generate.main(compose("generate", *settings, "verify=true"))
    config = to_plain(
        compose("distill", *TEACHER, f"data={kind}_shards", f"data.path=shards_{kind}")
    )
    sampler = build_sampler(config, instantiate(config["teacher"]))
    source = build_source(config, sampler, identities=6)
    if isinstance(source, LatentShards):
        stored, live = source.draw(range(6)), sampler.draw(range(6))
        assert list(stored.samples) == list(live.samples) == list(range(6))
        torch.testing.assert_close(stored.z, live.z, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(stored.novel.label(), live.novel.label(), rtol=1e-5, atol=1e-6)
    for number in (0, 5):
        with torch.inference_mode():
            found = dict(leaves(source([number])))
        expected = EXPECTED[f"shards_{kind}"][str(number)]
        assert set(found) == set(expected)
        for name, value in expected.items():
            close(found[name].double().norm(), value["norm"], 1e-3)


def test_an_evaluation_is_verified(old, capsys):
    evaluate.main(compose("evaluate", "verify=evaluation"))
    said = capsys.readouterr()
    assert re.search(r"16 \w+ scored again, nothing differs", said.out + said.err)


def test_an_evaluation_is_continued_without_measuring_anything_again(old):
    before = json.loads(Path("evaluation/results.json").read_text())
    evaluate.main(compose("evaluate", *EVALUATE))
    after = json.loads(Path("evaluation/results.json").read_text())
    for method, scores in before["scores"].items():
        assert after["scores"][method]["all"]["psnr"]["mean"] == scores["all"]["psnr"]["mean"], (
            method
        )
    # SSIM was of images in [-1, 1] then: scores of both kinds must not share a column
    assert "ssim" not in after["metrics"]
    why = {entry["metric"]: entry["why"] for entry in after["unavailable"]}
    assert "computed otherwise" in why["ssim"]
    lines = sorted(Path("evaluation/lines").glob("*/*.jsonl"))
    stored = (FIXTURES / "evaluation/lines/e7d8df3b2362fd55/0000.jsonl").read_bytes()
    assert b"".join(path.read_bytes() for path in lines) == stored  # none was measured again


def test_a_run_stopped_in_its_second_stage_is_continued_to_its_end(old):
    distill.main(compose("distill", *DISTILL, *TWO_STAGES, "paths.run=distill_stage2"))
    require_ended("distill_stage2", "metrics")


@pytest.mark.slow
def test_a_run_stopped_in_its_first_stage_is_continued_through_both(old):
    distill.main(compose("distill", *DISTILL, *TWO_STAGES, "paths.run=distill_stage1"))
    require_ended("distill_stage1", "metrics")


def test_a_pretraining_is_continued_to_its_end(old):
    pretrain.main(compose("pretrain", *PRETRAIN))
    require_ended("pretrain", "logs")
    scores = json.loads(Path("pretrain/teacher/scores.json").read_text())
    for name, value in EXPECTED["pretrain"]["scores"].items():
        assert scores[name] == pytest.approx(value, rel=0.05), name


@pytest.mark.slow
def test_a_half_done_sweep_is_continued_and_its_finished_cell_is_left_alone(old):
    finished = Path("sweep/seed-0/student.safetensors").stat()
    settings = (
        "name=sweep",
        "hydra.sweep.dir=sweep",
        "seed=0,1,2",
        *DISTILL,
        "callbacks.preview.every_steps=8",
        "callbacks.preview.views_deg=[-20.0,20.0]",
        "loss=[triplane,image]",
        "trainer.max_steps=12",
        "callbacks.state.every_steps=1",
    )
    command = [sys.executable, "-m", "pipeline.command_line", "distill", "-m", *settings]
    environment = {**os.environ, "JAXTYPING_DISABLE": "1", "PYTHONPATH": str(FIXTURES.parents[2])}
    said = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=1000, check=False
    )
    assert said.returncode == 0, said.stderr[-2000:]
    assert "1 of 3 cells are finished" in said.stderr + said.stdout
    after = Path("sweep/seed-0/student.safetensors").stat()
    assert (after.st_ino, after.st_mtime_ns) == (finished.st_ino, finished.st_mtime_ns)
    with Path("sweep/cells.csv").open(newline="") as file:
        for row, expected in zip(csv.DictReader(file), EXPECTED["sweep"]["cells"], strict=True):
            assert row["state"] == expected["state"] == "finished"
            for name in ("loss", "psnr_reference", "psnr_novel"):
                assert float(row[name]) == pytest.approx(expected[name], rel=0.02), name
            # `depth` became `depth_error_weighted`; a finished cell keeps the old name, and one
            # that was continued the old value of its last validation before that.
            depth = float(row["depth_error_weighted"] or row["depth"])
            assert depth == pytest.approx(expected["depth"], rel=0.02)
