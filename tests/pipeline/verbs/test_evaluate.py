"""The verb: all methods are run, killed and shared evaluations give the same numbers, an altered
pixel is found.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.build import evaluation as evaluation_builder
from pipeline.build.configuration import compose, instantiate
from pipeline.build.evaluation_workers import other_processes
from pipeline.evaluation.earlier_versions import FREE_967260B, WORLD_SHA256
from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.metrics.available import LATER, AvailableMetrics
from pipeline.evaluation.metrics.view_metrics import VIEW_METRICS
from pipeline.evaluation.report.demo.page import image_rows
from pipeline.evaluation.report.results_folder import read_results
from pipeline.evaluation.shared_run import lines_folder
from pipeline.runs.files import sha256_of_file, sha256_of_json
from pipeline.runs.json_lines import LineFile, read_lines, write_lines
from pipeline.runs.precision import EMULATE
from pipeline.verbs import evaluate
from teachers.toy import ToyTeacher

TOY = [
    "teacher=toy",
    "teacher.resolution=8",
    "teacher.sharpness=400.0",
    "identities=2",
    "views=3",
    "suite.supersampling=1",
    "device=cpu",
]
FEW = ["ceiling_identities=2", "mean_of=3", "calibration_samples=2", "suite.invariance.items=0"]
MEASURED_ANEW = ("seconds", "render_seconds", "peak_memory_mib")

pytestmark = pytest.mark.usefixtures("few_cameras")


@pytest.fixture(scope="module")
def settings(untrained_student, tmp_path_factory) -> list[str]:
    """Of a small evaluation; the puppets are drawn once for all tests."""
    return [
        f"checkpoint={untrained_student}",
        f"suite.cache={tmp_path_factory.mktemp('cache')}",
        *TOY,
        *FEW,
    ]


def run(settings: list[str], output: Path, *overrides: str, has_page: bool = False) -> dict:
    """An evaluation's results; its page, whose charts take as long as its scores, if asked for."""
    with pytest.MonkeyPatch.context() as patch:
        if not has_page:
            patch.setattr(evaluate, "write_report", lambda output: None)
        evaluate.main(compose("evaluate", *settings, f"output={output}", *overrides))
    return json.loads((output / "results.json").read_text())


def lines(output: Path) -> list[dict]:
    """Every line without what a clock or the memory said."""
    return [
        {name: value for name, value in line.items() if name not in MEASURED_ANEW}
        for line in read_lines(output / "scores.jsonl")
    ]


def numbers(results: dict) -> dict:
    """The results without what would differ another time."""
    return {
        key: results[key]
        for key in (
            "scores",
            "comparisons",
            "metrics",
            "unavailable",
            "checkpoint",
            "manifest_sha256",
            "settings",
        )
    }


@pytest.fixture(scope="module")
def first(settings, few_cameras, tmp_path_factory) -> tuple[dict, Path]:
    output = tmp_path_factory.mktemp("evaluation")
    return run(settings, output, has_page=True), output


def test_all_methods_are_scored_on_every_view(first):
    evaluated, output = first
    assert (
        list(evaluated["scores"])
        == list(evaluated["methods"])
        == ["student", "untrained", "mean_planes", "mean_latent", "ceiling"]
    )
    counts = {
        method: sum(line["method"] == method for line in lines(output))
        for method in evaluated["methods"]
    }
    assert counts == {
        "student": 6,
        "untrained": 6,
        "mean_planes": 6,
        "mean_latent": 6,
        "ceiling": 4,
    }
    assert {line["item"] for line in lines(output) if line["method"] == "ceiling"} == {
        "sample1000000000",
        "sample1000000001",
    }
    assert (
        evaluated["scores"]["student"]["all"]["psnr"]["pictures"] == 4
        and evaluated["scores"]["student"]["by_group"]
    )
    assert (output / "index.html").exists()


def test_the_results_say_what_was_evaluated_with_what(first, untrained_student):
    evaluated, output = first
    assert (
        evaluated["checkpoint"]["sha256"]
        == sha256_of_file(untrained_student)
        == lines(output)[0]["checkpoint_sha256"]
    )
    assert evaluated["settings"]["identities"] == 2 and evaluated["suite"] == "puppets"
    manifest = json.dumps(json.loads((output / "manifest.json").read_text()), sort_keys=True)
    assert (
        evaluated["manifest_sha256"] == hashlib.sha256(manifest.encode()).hexdigest()
        and "puppet00001" in manifest
    )
    assert (
        evaluated["run"]["command"].startswith("trilift evaluate")
        and evaluated["run"]["versions"]["torch"] == torch.__version__
    )
    assert (
        evaluated["methods"]["student"]["seconds"] > 0
        and evaluated["methods"]["student"]["kind"] == "student"
    )
    why = {entry["metric"]: entry["why"] for entry in evaluated["unavailable"]}
    assert (
        "alexnet-owt-7be5be79.pth" in why["lpips"]
        and "7be5be79" in why["lpips"]
        and "pose_estimator" in why["pose"]
    )
    assert (
        "161 pixels" in why["ms_ssim"]
        and "inception" in why["fid"]
        and not set(why) & set(evaluated["metrics"])
    )


def test_killed_and_started_again_it_gives_the_same_numbers(first, settings, tmp_path):
    evaluated, output = first
    half = tmp_path / "half"
    shutil.copytree(output, half)
    for name in ("results.json", "scores.jsonl", "index.html"):
        (half / name).unlink()
    (file,) = (half / "lines").glob("*/*.jsonl")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 3 // 5])
    kept = len(read_lines(file))
    again = run(settings, half)
    assert 0 < kept < 28 and numbers(again) == numbers(evaluated) and lines(half) == lines(output)


def test_two_ranks_of_a_launcher_give_the_numbers_of_one_process(
    first, settings, tmp_path, monkeypatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    evaluate.main(compose("evaluate", *settings, f"output={tmp_path}"))
    assert (
        not (tmp_path / "results.json").exists()
        and len(list((tmp_path / "lines").glob("*/*.jsonl"))) == 1
    )
    monkeypatch.setenv("RANK", "0")
    assert numbers(run(settings, tmp_path)) == numbers(first[0]) and lines(tmp_path) == lines(
        first[1]
    )
    assert [len(read_lines(path)) for path in sorted((tmp_path / "lines").glob("*/*.jsonl"))] == [
        14,
        14,
    ]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_another_configuration_is_refused_with_the_difference(first, settings, rank, monkeypatch):
    _, output = first
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    with pytest.raises(ValueError, match=r"mean_of: 3 → 4"):
        run(settings, output, "mean_of=4")
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}


def test_results_name_the_seed_of_the_suite(settings):
    chosen = compose("evaluate", *settings, "suite.seed=7")
    assert evaluation_builder.Evaluation(chosen).description()["settings"]["seed"] == 7


def test_a_metric_whose_weights_came_later_is_not_that_of_some_items(
    first, settings, tmp_path, monkeypatch, capsys
):
    evaluated, output = first
    later = replace(VIEW_METRICS[0], name="later")
    measured = lambda *given: AvailableMetrics((*VIEW_METRICS, later), {})  # noqa: E731
    monkeypatch.setattr(evaluation_builder, "available_metrics", measured)
    monkeypatch.setattr(evaluate, "available_metrics", measured)
    half = tmp_path / "half"
    shutil.copytree(output, half)
    (half / "results.json").unlink()
    (file,) = (half / "lines").glob("*/*.jsonl")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 5])
    again = run(settings, half)
    assert numbers(again)["scores"] == numbers(evaluated)["scores"]
    assert {"metric": "later", "why": LATER} in again["unavailable"]
    evaluate.main(compose("evaluate", f"verify={output}"))
    assert "nothing differs" in capsys.readouterr().out
    assert "later" in run(settings, tmp_path / "new", "methods=[mean_planes]")["metrics"]


def test_a_method_that_would_be_computed_otherwise_is_refused(
    first, settings, tmp_path, monkeypatch
):
    half = tmp_path / "half"
    shutil.copytree(first[1], half)
    (half / "results.json").unlink()
    (file,) = (half / "lines").glob("*/*.jsonl")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 5])
    noted = replace(
        evaluation_builder.Evaluation(compose("evaluate", *settings)).student, notes=("by LPIPS",)
    )
    monkeypatch.setattr(evaluation_builder.Evaluation, "student", noted)
    with pytest.raises(
        ValueError, match="student began with no notes and would go on with by LPIPS"
    ):
        run(settings, half)
    shutil.copy(first[1] / "lines" / file.parent.name / file.name, file)
    run(settings, half)  # nothing is missing


def test_what_ails_another_process_is_one_error_of_this_one(settings, tmp_path):
    config = compose("evaluate", *settings, "checkpoint=nowhere.safetensors")
    plain = evaluation_builder.Evaluation(config).settings
    with (
        pytest.raises(ValueError, match=r"nowhere\.safetensors"),
        other_processes(plain, tmp_path, tmp_path / "lines", 2) as are_well,
    ):
        ends = time.monotonic() + 60
        while are_well() and time.monotonic() < ends:
            time.sleep(0.1)


def test_an_evaluation_of_967260b_is_continued(first, settings, tmp_path, monkeypatch):
    evaluated, output = first
    earlier = tmp_path / "earlier"
    shutil.copytree(output, earlier)
    config = json.loads((earlier / "config.json").read_text())
    manifest = json.loads((earlier / "manifest.json").read_text())
    manifest["world_sha256"] = WORLD_SHA256[manifest.pop("world_version")]
    for item in manifest["items"]:
        item["person"] = item.pop("subject")
    config["manifests_sha256"]["puppets"] = sha256_of_json(manifest)
    for node in (config, config["suite"]):
        node["people"] = node.pop("identities")
    (earlier / "config.json").write_text(json.dumps(config))
    (now,) = (earlier / "lines").iterdir()
    before = lines_folder(earlier, config, FREE_967260B)
    stored = read_lines(now / "0000.jsonl")
    shutil.rmtree(now)
    old = [{"person" if key == "subject" else key: line[key] for key in line} for line in stored]
    write_lines(before / "0000.jsonl", old)
    monkeypatch.setattr(evaluate_engine(), "lift_item", None)
    assert numbers(run(settings, earlier)) == numbers(evaluated) and lines(earlier) == lines(output)
    assert numbers(run(settings, earlier)) == numbers(evaluated)


@pytest.mark.parametrize("names", ["mean_latent", "mean_latent,student"])
def test_the_student_may_join_and_leave_though_it_alone_has_a_ceiling(
    first, settings, tmp_path, names, monkeypatch
):
    run(settings, tmp_path, f"methods=[{names}]")
    both = run(settings, tmp_path, "methods=[student,mean_latent]")
    assert both["scores"]["ceiling"] == first[0]["scores"]["ceiling"]
    monkeypatch.setattr(evaluate_engine(), "lift_item", None)
    assert list(run(settings, tmp_path, "methods=[mean_latent]")["scores"]) == ["mean_latent"]


def with_former_lines(output: Path, config: dict) -> None:
    """Gives an evaluation the configuration of an earlier version, whose free keys are today's."""
    free = evaluation_builder.Evaluation(compose("evaluate")).free_keys
    (now,) = (output / "lines").iterdir()
    (output / "config.json").write_text(json.dumps(config))
    now.rename(lines_folder(output, config, free))


def test_an_evaluation_whose_configuration_has_the_ceiling_s_manifest_is_continued(
    first, settings, tmp_path, monkeypatch
):
    earlier = Path(shutil.copytree(first[1], tmp_path / "earlier"))
    config = json.loads((earlier / "config.json").read_text())
    config["manifests_sha256"]["teacher"] = "0" * 64
    with_former_lines(earlier, config)
    with pytest.raises(ValueError, match="mean_of: 3 → 4") as refused:
        run(settings, earlier, "mean_of=4")
    assert "manifests_sha256" not in str(refused.value)
    monkeypatch.setattr(evaluate_engine(), "lift_item", None)
    for _ in range(2):
        assert numbers(run(settings, earlier)) == numbers(first[0])
    assert len(list((earlier / "lines").iterdir())) == 1


def test_without_a_student_the_teacher_may_not_be_another(first, settings, tmp_path, monkeypatch):
    alone = (*settings, "checkpoint=null", "methods=[]")
    evaluate.main(compose("evaluate", *alone, f"export={tmp_path / 'given'}"))
    for file, _ in json.loads((tmp_path / "given" / "cameras.json").read_text())["labels"]:
        shutil.copy(first[1] / "pictures" / "mean_latent" / file, tmp_path / "given" / file)
    alone, output = [*alone, f"predictions={tmp_path / 'given'}"], tmp_path / "output"
    assert run(alone, output)["teacher_hash"] == ""
    config = json.loads((output / "config.json").read_text())
    del config["teacher_hash"]  # as earlier versions wrote it
    with_former_lines(output, config)
    run(alone, output)
    assert json.loads((output / "config.json").read_text())["teacher_hash"] == ""
    assert len(list((output / "lines").iterdir())) == 1
    passport = replace(ToyTeacher(resolution=8, sharpness=400.0).passport, source_hash="other")
    monkeypatch.setattr(
        ToyTeacher, "passport", property(lambda self: passport, lambda *_: None), raising=False
    )
    with pytest.raises(ValueError, match='teacher_hash: "" → "other"'):
        run(alone, output)


def test_every_suite_has_an_output_folder_of_its_own():
    suites = ("puppets", "puppets_hard", "teacher", "multiview")
    folders = {compose("evaluate", f"suite={suite}").output for suite in suites}
    assert folders == {f"runs/evaluate/{suite}" for suite in suites}


def test_a_method_may_join_later_and_the_others_are_not_run_again(settings, tmp_path, monkeypatch):
    alone = run(settings, tmp_path, "methods=[mean_latent]")
    assert list(alone["methods"]) == ["mean_latent"]
    lifted = []
    lift_item = evaluate_engine().lift_item
    monkeypatch.setattr(
        evaluate_engine(),
        "lift_item",
        lambda method, *rest, **more: (
            lifted.append(method.name) or lift_item(method, *rest, **more)
        ),
    )
    both = run(settings, tmp_path, "methods=[mean_latent,mean_planes]")
    assert (
        set(lifted) == {"mean_planes"}
        and both["scores"]["mean_latent"] == alone["scores"]["mean_latent"]
    )
    assert {pair["second"] for pair in both["comparisons"]} == {"mean_planes"}


def test_an_untouched_evaluation_is_verified_and_one_altered_pixel_is_found(
    first, tmp_path, capsys
):
    output = tmp_path / "altered"
    shutil.copytree(first[1], output)
    evaluate.main(compose("evaluate", f"verify={output}"))
    assert "28 views scored again, nothing differs" in capsys.readouterr().out
    path = output / "pictures" / "mean_planes" / "puppet00001_2.png"
    with Image.open(path) as opened:
        picture = opened.copy()
    red, green, blue = picture.getpixel((3, 3))
    picture.putpixel((3, 3), ((red + 64) % 256, green, blue))
    picture.save(path)
    with pytest.raises(SystemExit) as leaving:
        evaluate.main(compose("evaluate", f"verify={output}"))
    log = capsys.readouterr().err
    assert (
        leaving.value.code == 1
        and "mean_planes/puppet00001_2.png: altered" in log
        and "psnr was" in log
    )
    assert "student/" not in log


def test_a_score_that_was_embellished_is_found(first, tmp_path, capsys):
    output = tmp_path / "embellished"
    shutil.copytree(first[1], output)
    changed = read_lines(output / "scores.jsonl")
    changed[0]["psnr"] += 1.0
    (output / "scores.jsonl").unlink()
    with LineFile(output / "scores.jsonl") as file:
        file.append(changed)
    with pytest.raises(SystemExit):
        evaluate.main(compose("evaluate", f"verify={output}"))
    assert "psnr was" in capsys.readouterr().err


def test_a_manifest_that_was_changed_is_found(first, tmp_path, capsys):
    output = Path(shutil.copytree(first[1], tmp_path / "changed"))
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["items"][0]["views"] += 1
    (output / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit):
        evaluate.main(compose("evaluate", f"verify={output}"))
    assert "manifest.json: altered" in "".join(capsys.readouterr())


def test_a_mean_that_was_embellished_is_found(first, tmp_path, capsys):
    output = tmp_path / "embellished"
    shutil.copytree(first[1], output)
    evaluated = json.loads((output / "results.json").read_text())
    evaluated["scores"]["student"]["all"]["psnr"]["mean"] += 0.01
    (output / "results.json").write_text(json.dumps(evaluated))
    with pytest.raises(SystemExit):
        evaluate.main(compose("evaluate", f"verify={output}"))
    assert "the means of student don't follow" in capsys.readouterr().err


def test_files_of_another_program_get_the_scores_of_what_made_them(first, settings, tmp_path):
    evaluated, output = first
    evaluate.main(compose("evaluate", *settings, f"export={tmp_path}"))
    wanted = json.loads((tmp_path / "cameras.json").read_text())
    assert (
        len(wanted["inputs"]) == 2
        and len(wanted["labels"]) == 6
        and len(wanted["labels"][0][1]) == 25
    )
    for file, _ in wanted["labels"]:
        shutil.copy(output / "pictures" / "mean_latent" / file, tmp_path / file)
        shutil.copy(
            output / "depth" / "mean_latent" / file.replace(".png", ".safetensors"), tmp_path
        )
    (tmp_path / "puppet00001_2.safetensors").unlink()
    alone = run(
        settings,
        tmp_path / "scored",
        f"predictions={tmp_path}",
        "methods=[]",
        "ceiling_identities=0",
    )
    mine, theirs = alone["scores"]["method"]["all"], evaluated["scores"]["mean_latent"]["all"]
    assert (
        mine["psnr"] == theirs["psnr"]
        and mine["ssim"] == theirs["ssim"]
        and mine["depth"]["identities"] == 1
    )
    assert (
        alone["methods"]["method"]["kind"] == "foreign"
        and alone["methods"]["method"]["seconds"] is None
    )
    wanted["labels"][4][1][3] += 0.1
    (tmp_path / "cameras.json").write_text(json.dumps(wanted))
    with pytest.raises(ValueError, match=r"puppet00001_1.png was rendered with another camera"):
        run(
            settings,
            tmp_path / "moved",
            f"predictions={tmp_path}",
            "methods=[]",
            "ceiling_identities=0",
        )


def test_the_demo_shows_a_near_and_a_far_view_of_each_identity(first):
    shown = image_rows(read_results(first[1]), identities=2)
    assert [label[0] for label, _ in shown["rows"]] == ["puppet00000"] * 2 + ["puppet00001"] * 2
    assert all(len(images) == len(shown["columns"]) for _, images in shown["rows"])


def test_a_teacher_of_another_student_is_refused(settings, tmp_path):
    with pytest.raises(
        ValueError, match=r"plane_resolution: the student .* has 32, the teacher has 16"
    ):
        run(settings, tmp_path, "teacher.plane_resolution=16")


def test_an_unknown_method_is_refused(settings, tmp_path):
    with pytest.raises(ValueError, match=r"no method 'w_minus'.*w_plus"):
        run(settings, tmp_path, "methods=[w_minus]")


def test_the_suite_of_the_configuration_is_the_test_split_at_full_quality():
    suite = instantiate(
        compose("evaluate").suite, context=SuiteContext(ToyTeacher(resolution=8).passport)
    )
    assert suite.identities >= 24 and suite.supersampling == 2 and suite.views == 5


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(first, settings, tmp_path):
    evaluated, output = first
    shared = run(settings, tmp_path, "processes=2")
    assert len(list((tmp_path / "lines").glob("*/*.jsonl"))) == 2
    assert numbers(shared) == numbers(evaluated) and lines(tmp_path) == lines(output)


@pytest.mark.slow
def test_a_process_that_was_killed_goes_on(first, settings, tmp_path, repository):
    evaluated, output = first
    command = [
        sys.executable,
        "-m",
        "pipeline.verbs.evaluate",
        *settings,
        f"output={tmp_path / 'killed'}",
    ]
    process = subprocess.Popen(command, cwd=repository, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while process.poll() is None and not sum(
            len(read_lines(path)) for path in (tmp_path / "killed").glob("lines/*/*.jsonl")
        ):
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL and not (tmp_path / "killed" / "results.json").exists()
    assert numbers(run(settings, tmp_path / "killed")) == numbers(evaluated) and lines(
        tmp_path / "killed"
    ) == lines(output)


def evaluate_engine():
    from pipeline.evaluation import engine

    assert evaluation_builder.Task is engine.Task
    return engine


def test_another_runtime_scores_the_same_student(first, settings, tmp_path):
    evaluated, _ = first
    only = ["methods=[student]", "runtime=openvino"]
    again = run(settings, tmp_path / "openvino", *only)
    for method in ("student", "ceiling"):
        assert again["methods"][method]["notes"] == ["its encoder is run by openvino"]
        expected = evaluated["scores"][method]["all"]["psnr"]["mean"]
        assert again["scores"][method]["all"]["psnr"]["mean"] == pytest.approx(expected, abs=0.01)
    with pytest.raises(ValueError, match='runtime: "openvino" → '):
        run(settings, tmp_path / "openvino", "methods=[student]")


def test_an_encoder_in_bfloat16_is_another_evaluation_with_scores_near(
    first, settings, tmp_path, monkeypatch
):
    monkeypatch.setenv(EMULATE, "1")
    evaluated, _ = first
    again = run(settings, tmp_path / "out", "methods=[student]", "bfloat16=true")
    assert again["methods"]["student"]["notes"] == ["its encoder is run in bfloat16"]
    expected = evaluated["scores"]["student"]["all"]["psnr"]["mean"]
    assert again["scores"]["student"]["all"]["psnr"]["mean"] == pytest.approx(expected, abs=0.2)
    with pytest.raises(ValueError, match="bfloat16: true → "):
        run(settings, tmp_path / "out", "methods=[student]")


def test_methods_and_runtimes_that_make_no_sense_are_refused_before_anything(settings, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(ValueError, match="methods has no student"):
        run(settings, output, "methods=[mean_planes]", "runtime=openvino")
    with pytest.raises(ValueError, match=r"runtime=openvino and bfloat16=true: how .* no student"):
        run(settings, output, "methods=[]", "runtime=openvino", "bfloat16=true")
    with pytest.raises(ValueError, match="has a name twice"):
        run(settings, output, "methods=[student,mean_planes,student]")
    with pytest.raises(ValueError, match="runtime=torch doesn't read"):
        run(settings, output, "methods=[student]", "runtime_file=encoder.onnx")
    assert not output.exists()
