"""Runs the cases of tests/fuzz_cases.py by their seeds.

`python -m tests.fuzz FIRST [END]` runs the seeds FIRST to END - 1 (or only FIRST), prints what
fails, and how many cases each verb had. A run that was stopped goes on at the next seed.
"""

import argparse
import functools
import io
import json
import logging
import random
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest import mock
from zipfile import ZIP_DEFLATED, ZipFile

import torch
from omegaconf import OmegaConf
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.evaluation.suite_files import write_manifest
from pipeline.evaluation.suites import coverage
from pipeline.inference import sheet
from pipeline.inference.pretrained import student_file
from pipeline.inference.triplane_file import save_triplane
from pipeline.inversion.models import Models
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.verbs import evaluate, generate, lift, manifest
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.rendering.camera import Camera
from tests import fuzz_cases
from tests.builders import smallest_eg3d_settings, teacher_folder
from tests.fuzz_cases import FIVE, LABEL, Given

WEIGHTS = {
    **{"a_setting": 150, "cameras": 250, "prepare": 100, "manifest": 120, "verify": 40},
    **{"compare": 3, "a_zip": 100, "a_path": 40, "provenance": 60, "export": 60, "check": 80},
    **{"weights": 40, "convert": 40, "lift": 12, "a_capture": 12, "predictions": 4, "a_shard": 3},
}
"""How often each case comes: seldom where a verb loads networks."""

SMALL = ("suite.identities=1", "suite.views=2", "ceiling_identities=0", "kernels=readable")
NO_NETWORKS = ("metrics.lpips=null", "metrics.dists=null", "metrics.identity=null")
QUICK = ("kernels=readable", "portraits=whole", "turntable.frames=1")


def given(folder: Path) -> Given:
    """Intact files of every kind."""
    alone = (*SMALL, *NO_NETWORKS, "methods=[]")
    shard = ("experiment=laptop", "plan=one_stage", "batch_size=2", "trainer.max_steps=1")
    shard += ("trainer.threads=1", "calibration_samples=2", "callbacks.validation.samples=2")
    shard += ("data=foreign_shards", "data.buffer=1", "sampler=fast", "kernels=readable")
    found = Given(
        {
            "cameras": compose("cameras", "input=a"),
            "lift": compose("lift", "input=a", *QUICK),
            "prepare": compose("prepare", "input=a", "resolution=32", "portraits=landmarks"),
            "manifest": compose("manifest", "portraits=landmarks"),
            "evaluate": compose("evaluate", *alone),
            "captures": compose(
                "evaluate", "suite=multiview", "suite.source=null", *NO_NETWORKS, "methods=[]"
            ),
            "distill": compose("distill", *shard),
            "convert": compose("convert", "checkpoint=a", "output=b", "sheet_identities=0"),
            "check": compose("check", "checkpoint=a", "kernels=readable"),
            "export": compose("export", "input=a", "mesh.resolution=8", *QUICK[:2]),
            "licenses": compose("licenses", "file=a"),
            "provenance": compose("provenance"),
            "weights": compose("weights"),
            **{verb: compose(verb) for verb in ("generate", "pretrain", "demo", "stream")},
        }
    )
    _pictures(found)
    _networks(found, folder)
    with mock.patch.object(coverage, "DRAWN", 20):
        _evaluations(found, folder)
    _shard(found, folder)
    return found


def _pictures(found: Given) -> None:
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        content = io.BytesIO()
        picture.save(content, kind)
        found.files[kind] = content.getvalue()
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as packed:
        packed.writestr("a.png", found.files["PNG"])
        packed.writestr("dataset.json", json.dumps({"labels": [["a.png", LABEL]]}))
    found.files["zip"] = content.getvalue()


def _networks(found: Given, folder: Path) -> None:
    """A teacher's folder, an official pickle, a triplane, a signed picture."""
    found.folders["teacher"] = teacher_folder(folder / "teacher", smallest_eg3d_settings(16))
    sys.path.insert(0, str(Path(__file__).parent / "teachers" / "eg3d"))
    import official_format as official

    settings = {"z_dim": 8, "w_dim": 16, "plane_resolution": 16, "plane_channels": 4}
    settings |= {"channel_base": 64, "channel_max": 8, "depth_samples": 6, "importance_samples": 6}
    settings |= {"render_resolution": 8, "image_resolution": 128, "super_resolution": "2X"}
    weights = official.official_weights(Generator(EG3DConfiguration(**settings)))
    snapshot = official.official_snapshot(
        weights,
        init_kwargs={"channel_base": 64, "channel_max": 8, "img_resolution": 128},
        rendering_kwargs=official.published_settings(
            depth_resolution=6,
            depth_resolution_importance=6,
            superresolution_module="training.SuperresolutionHybrid2X",
        ),
        resolution=8,
        superresolution_class="SuperresolutionHybrid2X",
    )
    found.files["pickle"] = official.official_pickle(snapshot)
    student = Lifter.load(student_file("bundled/puppets_tiny"))
    method = Student(models=Models(student=lambda: student))
    portrait = method.lift(torch.zeros(1, 3, method.image_size, method.image_size))
    save_triplane(folder / "t.safetensors", portrait.triplane, portrait.passport)
    found.files["triplane"] = (folder / "t.safetensors").read_bytes()
    found.files["signed"] = found.files["PNG"]


def _evaluations(found: Given, folder: Path) -> None:
    """Photographs that were frozen, predictions, an evaluation of them, a suite of captures."""
    photographs = folder / "photographs"
    photographs.mkdir()
    (photographs / "a.png").write_bytes(found.files["PNG"])
    (photographs / "a.json").write_text(json.dumps({"landmarks": FIVE}))
    config = found.roots["manifest"].copy()
    config.input, config.output = str(photographs), str(folder / "suite.json")
    manifest.main(config)
    found.files["manifest"] = (folder / "suite.json").read_bytes()
    predictions = folder / "predictions"
    _predicted(found, "evaluate", predictions)
    found.folders["predictions"] = predictions
    config = found.roots["evaluate"].copy()
    config.predictions, config.output = str(predictions), str(folder / "evaluation")
    evaluate.main(config)
    found.folders["evaluation"] = folder / "evaluation"
    suite = folder / "suite"
    (suite / "anna").mkdir(parents=True)
    cameras = Camera.orbit(torch.tensor([0.0, 0.4]), torch.tensor([0.0, 0.1])).label().tolist()
    frames = [{"image": f"{view}.png", "camera": label} for view, label in enumerate(cameras)]
    for frame in frames:
        (suite / "anna" / str(frame["image"])).write_bytes(found.files["PNG"])
    described = {"schema": 1, "given": "0.png", "frames": frames}
    (suite / "anna" / "cameras.json").write_text(json.dumps(described))
    write_manifest(suite)
    found.folders["suite"] = suite
    OmegaConf.update(found.roots["captures"], "suite.path", str(suite))
    _predicted(found, "captures", folder / "captured")
    found.folders["captured"] = folder / "captured"


def _predicted(found: Given, root: str, folder: Path) -> None:
    """Predictions for the suite of a configuration: the input images."""
    config = found.roots[root].copy()
    config.output, config.export = str(folder.parent / "none"), str(folder)
    evaluate.main(config)
    for name, _ in json.loads((folder / "cameras.json").read_text())["labels"]:
        shutil.copy(next((folder / "inputs").iterdir()), folder / name)


def _shard(found: Given, folder: Path) -> None:
    config = compose(
        "generate",
        *(f"output={folder / 'gen'}", "shards=full", "sampler=fast", "count=2", "batch_size=2"),
        *("threads=1", "shards.size=2", "seed=1", "shards.planes=float16", "kernels=readable"),
    )
    generate.main(config)
    content = io.BytesIO()
    with (
        tarfile.open(next((folder / "gen" / "shards").glob("*.tar"))) as written,
        tarfile.open(fileobj=content, mode="w") as foreign,
    ):
        for member in written:
            if not member.name.endswith((".json", "manifest")) or member.name.count(".") > 1:
                foreign.addfile(member, written.extractfile(member))
    found.files["shard"] = content.getvalue()


def failures(
    given_: Given, folder: Path, seeds: Iterable[int], counted: Counter[str] | None = None
) -> list[str]:
    """Runs the cases of the seeds, each in a folder of its own that is removed; a sentence for each
    that fails.
    """
    cases, shares = list(WEIGHTS), list(WEIGHTS.values())
    failed = []
    load = functools.cache(Lifter.load)
    logging.disable(logging.CRITICAL)
    try:
        with (
            mock.patch.object(lift.Lifter, "load", load),
            mock.patch.multiple(sheet, YAWS_DEG=(0,), PITCHES_DEG=(0,)),  # views cost most
            mock.patch.object(coverage, "DRAWN", 20),
        ):
            for seed in seeds:
                random_ = random.Random(seed)
                name = random_.choices(cases, shares)[0]
                inside = folder / str(seed)
                inside.mkdir()
                started = time.perf_counter()
                try:
                    getattr(fuzz_cases, f"case_of_{name}")(random_, given_, inside)
                except Exception as error:
                    said = " ".join(f"{type(error).__name__}: {error}".split())
                    failed.append(f"seed {seed}, {name}: {said}"[:700])
                finally:
                    shutil.rmtree(inside, ignore_errors=True)
                if counted is not None:
                    counted[name] += 1
                    counted[f"{name}, ms"] += round((time.perf_counter() - started) * 1000)
    finally:
        logging.disable(logging.NOTSET)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int, nargs="?")
    arguments = parser.parse_args()
    end = arguments.first + 1 if arguments.end is None else arguments.end
    torch.set_num_threads(1)
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = given(folder / "given")
        for first in range(arguments.first, end, 250):
            last = min(first + 250, end)
            for line in failures(found, folder, range(first, last), counted):
                print(line, flush=True)
            print(f"seeds {first} to {last - 1} are done: {dict(counted)}", flush=True)


if __name__ == "__main__":
    main()
