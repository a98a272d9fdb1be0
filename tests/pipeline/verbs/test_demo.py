import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from pipeline.build.configuration import compose, to_plain
from pipeline.evaluation.report.demo.page import LiftedPhotograph, Story, demo_page, verdict
from pipeline.evaluation.report.demo.progress import Progress
from pipeline.evaluation.report.results_folder import Results, read_results
from pipeline.runs.curves import Curve
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs import demo
from teachers.toy import ToyTeacher
from tests.pipeline.evaluation.toy_results import ToyMethod, write_results

METHODS = [
    ToyMethod("student", "the student", "student", 10.0, 0.02),
    ToyMethod("untrained", "untrained", "trivial", 90.0, 0.02),
    ToyMethod("mean_planes", "mean planes", "trivial", 30.0, None),
    ToyMethod("mean_latent", "mean latent", "trivial", 35.0, None),
    ToyMethod("ceiling", "student on its teacher's identities", "ceiling", 6.0, 0.02),
]
QUIET = Progress(
    steps=600, planned_steps=600, earlier_steps=0, seconds=500.0, batch_size=8, others=0.02
)
BUSY = replace(QUIET, steps=218, seconds=510.0, others=0.62)


def results_with(folder, **psnr: float) -> Results:
    """A toy evaluation; `psnr` replaces the headline mean of a method."""
    results = read_results(write_results(folder, items=2, methods=METHODS))
    text = json.dumps(results.summary).replace('"psnr"', '"psnr_foreground"')
    rows = [{**row, "psnr_foreground": row["psnr"]} for row in results.rows]
    results = Results(results.folder, json.loads(text), rows)
    for name, value in psnr.items():
        results.summary["scores"][name]["all"]["psnr_foreground"]["mean"] = value
    return results


@pytest.fixture
def story(tmp_path) -> Story:
    photographs = []
    for name, outside in (("one", False), ("real", True)):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("crop.png", "sheet.png", "turntable.gif"):
            Image.new("RGB", (8, 8), "teal").save(folder / file)
        photographs.append(LiftedPhotograph(f"<{name}>", "a note & more", folder, outside))
    curves: dict[str, Curve] = {
        "train/loss": [(1.0, 2.0), (2.0, 1.0)],
        "validation/psnr_novel": [(1.0, 9.0), (2.0, 12.0)],
    }
    return Story(
        results=results_with(tmp_path / "evaluation", student=21.0, untrained=4.5),
        curves=curves,
        photographs=photographs,
        commands=[
            ("trilift distill experiment=laptop", 500.0),
            ("trilift evaluate checkpoint=x", 60.0),
        ],
        progress=QUIET,
        continuation="trilift demo minutes=15",
        peak_memory_gib=1.9,
    )


def test_the_page_has_scores_progress_commands_and_pictures(story):
    page = demo_page(story)
    for text in (
        "4.50 → 21.00 dB",
        "600 of 600 steps",
        "9.6 samples/s",
        "1.9 GiB",
        "trilift distill experiment=laptop    # 8 min 20 s",
        "cdcdcdcdcdcdcdcd",
        "p1<small>input 0°, view −22°",
    ):
        assert text in page, text
    assert "&lt;one&gt;" in page and "a note &amp; more" in page and "<one>" not in page
    assert page.count("<svg ") == 3 and "prefers-color-scheme: dark" in page
    assert page.count("data:image/png;base64,") == 4 and page.count("data:image/gif;base64,") == 2
    assert 'class="warning"' not in page


def test_the_page_needs_no_network(story):
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", demo_page(story))
    assert "//" not in page and "@import" not in page and "<script" not in page
    for source in re.findall(r'(?:src|[^:]href)="([^"]*)"', page):
        assert source.startswith("data:")


def test_only_a_picture_from_outside_is_marked(story):
    assert demo_page(story).count('class="badge"') == 1


def test_a_demo_that_was_slowed_down_says_so(story):
    warning = BUSY.warning()
    assert warning is not None and warning in demo_page(replace(story, progress=BUSY))
    for text in (
        "This machine was busy, other processes used 62% of it",
        "218 of 600 steps (8 min 30 s, 3.4 samples/s)",
        "Two idle cores need about 8 min 36 s",
    ):
        assert text in warning, text
    assert BUSY.minutes_left() == 15
    arguments = ["paths.run=here", "minutes=8.5"]
    assert demo.continuation(BUSY, 8.5, arguments) == "trilift demo paths.run=here minutes=15"
    page = demo_page(replace(story, progress=BUSY))
    assert "218 of 600 steps" in page and "<code>trilift demo minutes=15</code>" in page


def test_a_demo_that_ended_early_on_an_idle_machine_blames_its_speed():
    assert "slower than two idle cores" in (replace(BUSY, others=0.03).warning() or "")
    assert "slow or busy" in (replace(BUSY, others=None).warning() or "")
    assert replace(BUSY, planned_steps=None).warning() is None and QUIET.warning() is None


def test_a_continued_demo_counts_the_speed_of_its_own_steps():
    continued = replace(BUSY, steps=318, earlier_steps=218, seconds=100.0)
    assert continued.samples_per_second == 8.0
    assert replace(BUSY, earlier_steps=218).speed == "–"


def test_progress_is_read_from_the_runs_folder(tmp_path):
    run = RunFolder(tmp_path)
    assert demo.steps_of(run) == 0
    run.mark("unfinished", done=218, total=600)
    run.config_path.write_text(json.dumps({"trainer": {"max_steps": 600}, "batch_size": 8}))
    ended = demo.Ended("trilift distill", 510.0, 0.62)
    assert demo.progress_of(run, ended, 0) == BUSY


def test_the_verdict_follows_the_numbers(tmp_path):
    trivial = {"untrained": 4.5, "mean_planes": 12.0, "mean_latent": 11.0, "ceiling": 24.0}
    said = verdict(results_with(tmp_path, student=21.0, **trivial))
    assert "error is 7.9 times smaller" in said and "reaches 24.0 dB" in said
    assert "more steps" in verdict(results_with(tmp_path, student=11.5, **trivial))
    assert "did not help" in verdict(results_with(tmp_path, student=4.0, **trivial))


def test_scores_that_do_not_exist_are_dashes(story):
    story.results.summary["scores"]["untrained"]["all"]["depth"] = None
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


def test_the_kernels_of_a_demo_are_those_of_the_distillation_and_the_lift(tmp_path):
    for given in ("auto", "fast"):
        settings = to_plain(compose("demo", f"kernels={given}"))
        distill, evaluate, lift = demo.commands(
            settings, tmp_path, tmp_path / "student.safetensors"
        )
        assert compose("distill", *distill.settings).kernels == given
        assert compose("lift", *lift.settings).kernels == given
        assert compose("evaluate", *evaluate.settings).kernels == "readable"


def test_photographs_are_test_puppets_and_the_bundled_portrait(tmp_path):
    settings = {"puppets": [5], "photograph": None}
    photographs = demo.take_photographs(
        settings, tmp_path / "photographs", ToyTeacher(resolution=16).passport
    )
    assert [(name, outside) for name, _, _, outside in photographs] == [
        ("puppet5", False),
        ("real", True),
    ]
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
    assert "Test puppet 1" in page and "4 of 4 steps" in page and time.monotonic() > started
    assert torch.tensor(len(page)) > 50_000
