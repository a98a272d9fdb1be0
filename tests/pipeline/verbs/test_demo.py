import os
import re
import signal
import subprocess
import sys
import time
from html import escape

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from pipeline.build.configuration import compose, to_plain
from pipeline.evaluation.report.demo_page import LiftedPhotograph, Story, demo_page
from pipeline.evaluation.report.demo_report import METRICS
from pipeline.evaluation.report.demo_text import OUTSIDE, verdict
from pipeline.runs.curves import Curve
from pipeline.runs.provenance import hardware, versions
from pipeline.verbs import demo
from teachers.toy import ToyTeacher


def scores(**values: float) -> dict:
    def numbers(value: float) -> dict:
        return {
            metric: {
                "mean": value,
                "low": value - 1,
                "high": value + 1,
                "identities": 3,
                "pictures": 12,
            }
            for metric in METRICS
        }

    gaps = [(0, 0), (0, 15), (30, None)]
    return {
        name: {
            "title": name,
            "new_views": numbers(value),
            "by_yaw_gap": [
                {"title": "x", "from_deg": low, "to_deg": high, **numbers(value - low / 10)}
                for low, high in gaps
            ],
        }
        for name, value in {
            "student": 21.0,
            "untrained": 4.5,
            "mean_planes": 12.0,
            "mean_latent": 11.0,
            "ceiling": 24.0,
            **values,
        }.items()
    }


@pytest.fixture
def story(tmp_path) -> Story:
    photographs = []
    for name, outside in (("one", False), ("real", True)):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("crop.png", "sheet.png", "turntable.gif"):
            Image.new("RGB", (8, 8), "teal").save(folder / file)
        photographs.append(LiftedPhotograph(f"<{name}>", "a note & more", folder, outside))
    Image.new("RGB", (8, 8)).save(tmp_path / "sheet.png")
    curves: dict[str, Curve] = {
        "train/loss": [(1.0, 2.0), (2.0, 1.0)],
        "validation/psnr_novel": [(1.0, 9.0), (2.0, 12.0)],
    }
    checkpoint = {
        "encoder_parameters": 2_700_000,
        "step": 1400,
        "sha256": "ab" * 32,
        "teacher": "puppets",
        "teacher_hash": "cd" * 32,
        "image_resolution": 64,
    }
    run = {
        "lift_ms": 20.0,
        "render_ms": 50.0,
        "hardware": hardware(),
        "versions": versions(),
        "command": "trilift evaluate",
        "seconds": 60.0,
    }
    return Story(
        report={"scores": scores(), "checkpoint": checkpoint, "run": run},
        sheet=tmp_path / "sheet.png",
        curves=curves,
        photographs=photographs,
        commands=[
            ("trilift distill experiment=laptop", 500.0),
            ("trilift evaluate checkpoint=x", 60.0),
        ],
        planned_steps=1500,
        peak_memory_gib=1.9,
    )


def test_the_page_tells_everything(story):
    page = demo_page(story)
    for told in (
        "4.50",
        "21.00",
        "1400 steps of 1500 planned",
        "1.9 GiB",
        "trilift distill experiment=laptop",
        "abababababababab",
        escape(OUTSIDE),
    ):
        assert told in page, told
    assert "&lt;one&gt;" in page and "a note &amp; more" in page and "<one>" not in page
    assert (
        page.count("<polyline") >= 3
        and 'name="viewport"' in page
        and "prefers-color-scheme: dark" in page
    )
    assert page.count("data:image/png;base64,") == 5 and page.count("data:image/gif;base64,") == 2


def test_the_page_needs_no_network(story):
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", demo_page(story))
    assert (
        "//" not in page and "@import" not in page and "<script" not in page and "<link" not in page
    )
    for source in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert source.startswith("data:")


def test_only_a_picture_from_outside_is_marked(story):
    assert demo_page(story).count('class="badge"') == 1


def test_the_verdict_follows_the_numbers():
    assert "divided the squared error" in verdict(scores()) and "by 7.9" in verdict(scores())
    assert "needs more steps" in verdict(scores(student=11.5))
    assert "did not help" in verdict(scores(student=4.0))


def test_numbers_that_do_not_exist_are_dashes(story):
    story.report["scores"]["untrained"]["new_views"]["depth"] = None
    assert "<td>–</td>" in demo_page(story)


def test_commands_are_what_hydra_reads_back(tmp_path):
    folder = tmp_path / 'a [b], "c" d'
    settings = to_plain(compose("demo", "teacher_folder=some/where", "minutes=8.5", "steps=70"))
    distill, evaluate, lift = demo.commands(settings, folder, folder / "student.safetensors")
    config = compose("distill", *distill.settings)
    assert config.paths.run == str(folder / "student") and config.teacher.path == "some/where"
    assert (
        config.trainer.max_steps == 70
        and config.trainer.max_time == "00:00:08:30"
        and config.name == "laptop"
    )
    judged = compose("evaluate", *evaluate.settings)
    assert (
        judged.checkpoint == str(folder / "student.safetensors")
        and judged.teacher.path == "some/where"
    )
    assert OmegaConf.select(compose("lift", *lift.settings), "input") == str(folder / "photographs")
    assert str(distill).startswith("trilift distill experiment=laptop")


def test_photographs_are_test_puppets_and_the_bundled_portrait(tmp_path):
    settings = {"puppets": [5], "photograph": None}
    told = demo.take_photographs(
        settings, tmp_path / "photographs", ToyTeacher(resolution=16).passport
    )
    assert [(name, outside) for name, _, _, outside in told] == [("puppet5", False), ("real", True)]
    assert Image.open(tmp_path / "photographs" / "puppet5.png").size == (128, 128)
    assert Image.open(tmp_path / "photographs" / "real.jpg").size == (256, 256)


def test_a_verb_that_fails_ends_the_demo_with_its_status(capfd):
    with pytest.raises(SystemExit) as leaving:
        demo.Command("lift", ("input=nowhere", "output=nowhere")).run()
    assert leaving.value.code == 2 and "nowhere" in capfd.readouterr().err


def test_no_process_is_left_behind(repository, tmp_path):
    code = (
        "import sys\nfrom pipeline.runs.child_process import ChildProcess\n"
        "with ChildProcess([sys.executable, '-c', 'import time; time.sleep(100)']) as child:\n"
        "    print(child.pid, flush=True)\n    child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=repository, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(timeout=30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.slow
def test_the_whole_demo_with_a_toy_teacher(repository, tmp_path):
    size = ["student.dim=16", "student.canonical_blocks=1", "student.image_size=32"]
    short = [
        "trainer.max_steps=4",
        "batch_size=2",
        "callbacks.validation.every_steps=2",
        "callbacks.validation.samples=2",
        "calibration_samples=2",
    ]
    distill = ["teacher=toy", *size, *short]
    judge = [
        "teacher=toy",
        "identities=2",
        "views=2",
        "ceiling_identities=2",
        "mean_of=2",
        "suite.cache=null",
    ]
    lists = [
        f"{verb}=[{','.join(repr(each) for each in values)}]"
        for verb, values in (("distill", distill), ("evaluate", judge))
    ]
    command = [
        sys.executable,
        "-m",
        "pipeline.verbs.demo",
        f"paths.run={tmp_path}",
        "teacher_folder=null",
        "puppets=[1]",
        *lists,
    ]
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    page = (tmp_path / "index.html").read_text()
    assert "Test puppet 1" in page and "4 steps of 4 planned" in page and time.monotonic() > started
    assert torch.tensor(len(page)) > 50_000
