import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose, to_plain
from pipeline.evaluation.report.demo.cast import cast_of
from pipeline.evaluation.report.demo.lifts import (
    PITCHES_DEG,
    YAWS_DEG,
    Lift,
    Photograph,
    lift_all,
    orbit_views,
)
from pipeline.evaluation.report.demo.page import Goal, Story, demo_page, verdict
from pipeline.evaluation.report.demo.progress import Progress
from pipeline.evaluation.report.results_folder import Results, read_results
from pipeline.inference.reconstructor import Reconstructor
from pipeline.pictures import to_uint8
from pipeline.runs.curves import Curve
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs import demo
from teachers.toy import ToyTeacher
from tests.browser import IN_BROWSER, chromium
from tests.builders import tiny_lifter
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
        files = [folder / file for file in ("crop.png", "orbit.jpg", "sheet.png")]
        for file in files:
            Image.new("RGB", (8, 8), "teal").save(file)
        lifts = [Lift(student, *files) for student in ("bundled/x", demo.FRESH)]
        photographs.append(Photograph(name, f"<{name}>", "a note & more", files[0], outside, lifts))
    curves: dict[str, Curve] = {
        "train/loss": [(1.0, 2.0), (2.0, 1.0)],
        "validation/psnr_novel": [(1.0, 9.0), (2.0, 12.0)],
    }
    return Story(
        results=results_with(tmp_path / "evaluation", student=21.0, untrained=4.5),
        curves=curves,
        photographs=photographs,
        goal=Goal("bundled/x", 900, 20.4),
        commands=[
            ("trilift distill experiment=laptop", 500.0),
            ("trilift evaluate checkpoint=x", 60.0),
        ],
        progress=QUIET,
        continuation="trilift demo minutes=15",
        peak_memory_gib=1.9,
    )


def test_the_page_has_scores_progress_commands_and_heads_that_turn(story):
    page = demo_page(story)
    for text in (
        "4.50 → 21.00 dB",
        "600 of 600 steps",
        "9.6 samples/s",
        "1.9 GiB",
        "trilift distill experiment=laptop    # 8 min 20 s",
        "cdcdcdcdcdcdcdcd",
        "p1<small>input 0°, view −22°",
        "20.4 dB",
        "bundled/x, new view",
        "whose last training alone took 900 steps",
    ):
        assert text in page, text
    assert "&lt;one&gt;" in page and "a note &amp; more" in page and "<one>" not in page
    assert page.count("<svg ") == 3 and "prefers-color-scheme: dark" in page
    assert page.count('class="orbit"') == 4 and page.count("url(data:image/jpeg;base64,") == 4
    assert 'class="warning"' not in page and "refresh = 0;" in page


def test_the_page_is_there_before_the_first_step_and_while_it_learns(story):
    first = demo_page(Story(photographs=story.photographs, is_running=True))
    assert 'id="running"' in first and "refresh = 20;" in first and "<svg " not in first
    assert "A student learns" not in first and "Before and after" not in first
    running = replace(story, results=None, progress=BUSY, is_running=True, commands=())
    page = demo_page(running)
    assert page.count("<svg ") == 2 and "218 of 600 steps" in page
    assert "20.4 dB" in page and "Continue where it ended" not in page


def test_the_end_of_the_road_lies_on_the_curves_own_axis(story):
    """The chart of PSNR reaches up to the goal, which no point of the curve does."""
    chart = demo_page(replace(story, results=None)).split("<svg ")[1]
    ticks = [float(text) for text in re.findall(r">(\d+(?:\.\d+)?)</text>", chart)]
    assert max(ticks) >= 20 or 20.0 in ticks


def test_the_page_needs_no_network(story):
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", demo_page(story))
    page = re.sub(r"(?m)^ *// .*$", "", page)  # comments of the script
    assert "//" not in page and "@import" not in page and "<script src" not in page
    for source in re.findall(r'(?:src|[^:]href)="([^"]*)"|url\(([^)]*)\)', page):
        assert "".join(source).startswith(("data:", "#"))  # "#": inside a chart


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


def without(results: Results, *names: str) -> Results:
    """The evaluation, if these methods hadn't been evaluated."""
    summary = dict(results.summary)
    for part in ("methods", "scores"):
        summary[part] = {name: value for name, value in summary[part].items() if name not in names}
    rows = [row for row in results.rows if row["method"] not in names]
    return replace(results, summary=summary, rows=rows)


def test_methods_that_were_not_evaluated_are_not_spoken_of(story, tmp_path):
    scores = {"student": 21.0, "untrained": 4.5, "mean_planes": 12.0, "mean_latent": 11.0}
    results = results_with(tmp_path / "judged", **scores, ceiling=24.0)
    assert "reaches 11.0 dB: the student's" in verdict(without(results, "mean_planes"))
    no_heads = verdict(without(results, "mean_planes", "mean_latent"))
    assert "from 4.5 to 21.0 dB. On identities" in no_heads and "mean head" not in no_heads
    alone = without(results, "untrained", "mean_planes", "mean_latent", "ceiling")
    assert verdict(alone) == "After distillation the PSNR of unseen views is 21.0 dB."
    assert "21.00 dB" in (text := demo_page(replace(story, results=alone)))
    assert "test puppets, after distillation" in text and "→ 21.00" not in text
    no_student = without(results, "student", "untrained", "ceiling")
    assert verdict(no_student) == "" and "Time of a lift" not in demo_page(
        replace(story, results=no_student)
    )


def test_scores_that_do_not_exist_are_dashes(story):
    story.results.summary["scores"]["untrained"]["all"]["depth"] = None
    assert "<td>–</td>" in demo_page(story)


def test_commands_are_what_hydra_reads_back(tmp_path):
    folder = tmp_path / 'a [b], "c" d'
    settings = to_plain(compose("demo", "teacher_folder=some/where", "minutes=8.5", "steps=70"))
    distill, evaluate = demo.commands(settings, folder, folder / "student.safetensors")
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
    assert str(distill).startswith("trilift distill experiment=laptop")


def test_the_kernels_of_a_demo_are_those_of_the_distillation(tmp_path):
    for given in ("auto", "fast"):
        settings = to_plain(compose("demo", f"kernels={given}"))
        distill, evaluate = demo.commands(settings, tmp_path, tmp_path / "student.safetensors")
        assert compose("distill", *distill.settings).kernels == given
        assert compose("evaluate", *evaluate.settings).kernels == "readable"


def test_people_are_held_out_and_of_the_students_own_world():
    toy = ToyTeacher(resolution=16).passport
    puppets = cast_of(toy, puppets=[5], photograph=None)
    heads = cast_of(replace(toy, name="heads_b"), puppets=[5], photograph=None)
    assert [each.name for each in puppets] == ["puppet5", "real_puppets"]
    assert [each.name for each in heads] == ["head3", "head10", "real_heads"]
    assert puppets[0].source.shape == (3, 128, 128) and heads[0].source.shape[0] == 3
    assert [each.is_outside for each in heads] == [False, False, True]
    assert heads[-1].source.name == "astronaut.jpg"
    own = cast_of(toy, puppets=[], photograph=Path("me.png"))
    assert own[0].source == Path("me.png") and "me.png (photograph=…)" in own[0].note


def test_an_orbits_middle_is_the_frontal_view_and_its_columns_turn(untrained_student, tmp_path):
    reconstructor = Reconstructor.from_pretrained(untrained_student, kernels="readable")
    photograph = Photograph("x", "x", "", torch.zeros(3, 16, 16))
    lift_all("bundled/y", reconstructor, [photograph], tmp_path, side=8)
    (lift,) = photograph.lifts
    assert lift.orbit == tmp_path / "x" / "bundled_y" / "orbit.jpg" and lift.sheet.exists()
    size = reconstructor.image_size
    portrait = reconstructor.lift(torch.zeros(3, size, size))
    views = orbit_views(portrait, 8)
    side = views.shape[0] // len(PITCHES_DEG)
    assert views.shape == (side * len(PITCHES_DEG), side * len(YAWS_DEG), 3)
    middle = views[side : 2 * side, 8 * side : 9 * side]
    assert (PITCHES_DEG[1], YAWS_DEG[8]) == (0, 0)
    inside = (slice(1, -1), slice(1, -1))
    assert (middle[inside] == to_uint8(portrait.view().image[0])[inside]).all()
    assert (middle[0] == 255).all() and (middle[:, -1] == 255).all()


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


def test_each_bundled_student_lifts_people_of_its_world_and_a_fresh_one_joins_its_own(
    tmp_path, monkeypatch
):
    for name in ("heads", "puppets"):
        lifter = tiny_lifter(ToyTeacher(resolution=8))
        lifter.passport = replace(lifter.passport, name=name)
        lifter.save(tmp_path / "bundled" / f"{name}_toy.safetensors")
    monkeypatch.setattr(demo, "BUNDLED", tmp_path / "bundled")
    settings = {"puppets": [1], "photograph": None, "orbit_side": 8, "kernels": "readable"}
    cast = demo.lift_bundled(settings, tmp_path / "lifted")
    students = [(each.name, [lift.student for lift in each.lifts]) for each in demo.everybody(cast)]
    assert students == [
        *((name, ["bundled/heads_toy"]) for name in ("head3", "head10", "real_heads")),
        *((name, ["bundled/puppets_toy"]) for name in ("puppet1", "real_puppets")),
    ]
    fresh = tmp_path / "bundled" / "puppets_toy.safetensors"
    demo.lift_fresh(settings, fresh, cast, tmp_path / "lifted")
    assert [len(each.lifts) for each in cast["heads"]] == [1, 1, 1]
    assert [each.lifts[-1].student for each in cast["puppets"]] == [demo.FRESH] * 2


@IN_BROWSER[0]
@IN_BROWSER[1]
def test_dragging_turns_all_heads_of_a_card_as_the_hand_moves(story, tmp_path):
    (tmp_path / "index.html").write_text(demo_page(story))
    with chromium() as browser:
        page = browser.new_page()
        said = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((tmp_path / "index.html").as_uri())
        heads = page.locator(".orbit")

        def places() -> list[str]:
            return heads.evaluate_all("all => all.map(head => head.style.backgroundPosition)")

        assert places() == ["50% 50%"] * 4  # frontal
        box = heads.first.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + box["width"] / 4, middle[1])
        page.mouse.up()
        # to the right: the camera goes to the left, by a quarter of the 17 views
        assert places() == ["25% 50%"] * 2 + ["50% 50%"] * 2
        heads.last.focus()
        page.keyboard.press("ArrowUp")
        assert places()[2:] == ["50% 0%"] * 2 and not said


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
        "orbit_side=8",
        "steps=4",
        *lists,
    ]
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    page = (tmp_path / "index.html").read_text()
    assert "Test puppet 1" in page and "4 of 4 steps" in page and time.monotonic() > started
    assert torch.tensor(len(page)) > 50_000
