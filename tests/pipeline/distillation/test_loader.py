"""Batches drawn ahead are the same batches, each drawn once, in the same order; an error is raised
in place of its batch.
"""

import dataclasses
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from omegaconf import DictConfig
from torch.utils._pytree import tree_leaves

from pipeline.batch import DistillationBatch, tensors_of
from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.sampler import build_sampler
from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.loader import BatchLoader, CPULane, CUDALane, overlaps
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs.distill import distill
from teachers.toy import ToyTeacher
from tests.builders import STUDENT_SETTINGS, eg3d_settings, teacher_folder

SMALL = [
    *STUDENT_SETTINGS,
    "batch_size=4", "trainer.accumulate=2", "calibration_samples=2",
    "callbacks.validation={every_steps:2,samples:1}", "callbacks.preview.identities=0",
    "plan=two_stage", "plan.stages.reconstruction.steps=2", "plan.adversary.r1_every=2",
    "callbacks.state.every_steps=100",
]  # fmt: skip
CHOOSY = [
    "sampler=filtered", "sampler.filter.opacity=[0.28,null]", "sampler.filter.depth=null",
    "sampler.filter.relief=null", "sampler.filter.attempts=2",
]  # fmt: skip


class Source:
    """A toy teacher's sampler that records its calls and their threads. Number 13 raises."""

    def __init__(self) -> None:
        teacher = ToyTeacher(
            plane_resolution=8, resolution=8, depth_samples=4, importance_samples=4
        )
        self.sampler = build_sampler(to_plain(compose("distill", "teacher=toy")), teacher)
        self.rendering, self.to, self.planes, self.jitter = (
            getattr(self.sampler, name) for name in ("rendering", "to", "planes", "jitter")
        )
        self.begun: list[list[int]] = []
        self.drawn: list[list[int]] = []
        self.threads: list[str] = []

    def __call__(self, samples):
        self.begun.append(list(samples))
        self.threads.append(threading.current_thread().name)
        if 13 in samples:
            self.fail()
        if self.threads[-1].startswith("teacher"):
            time.sleep(0.05)
        batch = self.sampler(samples)
        self.drawn.append(list(samples))
        return batch

    def fail(self):
        raise ValueError("there is no number 13")


@contextmanager
def loading(source, *steps, overlap=True):
    """The batches of some steps, one sample each, and their loader."""
    loader = BatchLoader(lambda step: source([step]), steps, lane=CPULane() if overlap else None)
    yield iter(loader), loader
    loader.close()


def tensors_in(state) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(state) if isinstance(leaf, torch.Tensor)]


def teachers_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("teacher")]


@pytest.fixture
def teacher(tmp_path) -> Path:
    return teacher_folder(tmp_path / "teacher", eg3d_settings(32, background="matte"), group=2)


def run(config: DictConfig, folder: Path, *, max_steps: int, overlap: bool) -> dict:
    config = config.copy()
    config.paths.run, config.trainer.max_steps, config.trainer.overlap = (
        str(folder),
        max_steps,
        overlap,
    )
    distill(config, RunFolder(folder))
    return SafetensorsCheckpointIO().load_checkpoint(folder / "checkpoints" / "last")


@pytest.mark.parametrize(
    "sampler",
    [CHOOSY, ["sampler=cached_identities", "sampler.identities=3"]],
    ids=["filtered", "identities"],
)
def test_a_run_through_both_stages_stopped_and_continued_is_the_same_bit_for_bit(
    tmp_path, teacher, sampler, monkeypatch
):
    samplers = []
    build = "pipeline.build.distillation.build_sampler"
    monkeypatch.setattr(
        build, lambda *arguments: samplers.append(build_sampler(*arguments)) or samplers[-1]
    )
    config = compose("distill", "teacher=folder", f"teacher.path={teacher}", *SMALL, *sampler)
    alternating = run(config, tmp_path / "alternating", max_steps=4, overlap=False)
    overlapping = run(config, tmp_path / "overlapping", max_steps=4, overlap=True)
    for stop in (3, 4):
        continued = run(config, tmp_path / "continued", max_steps=stop, overlap=True)
    assert not teachers_at_work()
    for part in ("state_dict", "optimizer_states", "distillation"):
        expected = tensors_in(alternating[part])
        assert part == "distillation" or expected
        for state in (overlapping, continued):
            assert all(
                torch.equal(one, other)
                for one, other in zip(expected, tensors_in(state[part]), strict=True)
            )
    if sampler is CHOOSY:
        first, second = (samplers[i].filter.counts for i in range(2))
        assert 0 < first.rejected < first.judged
        assert vars(first) == vars(second)


def test_the_next_batch_is_drawn_meanwhile_and_none_twice():
    source = Source()
    with loading(source, 0, 1, 2) as (batches, _):
        assert next(batches).samples.tolist() == [0]
        deadline = time.monotonic() + 60
        while len(source.drawn) < 2:  # before it is needed
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert [batch.samples.tolist() for batch in batches] == [[1], [2]]
        assert source.begun == [[0], [1], [2]]
        assert [name.startswith("teacher") for name in source.threads] == [False, True, True]
    assert not teachers_at_work()


def test_without_overlap_nothing_is_drawn_before_it_is_needed():
    source = Source()
    with loading(source, 0, 1, overlap=False) as (batches, loader):
        next(batches)
        loader.synchronize()
        assert source.begun == [[0]]
        assert next(batches).samples.tolist() == [1]


@pytest.mark.parametrize("end", ["synchronize", "close"])
def test_synchronizing_and_closing_wait_for_the_teacher(end):
    source = Source()
    with loading(source, 0, 1) as (batches, loader):
        next(batches)
        getattr(loader, end)()
        assert source.drawn == [[0], [1]]


def test_lightning_fetches_no_batch_before_its_step():
    class Idle(LightningModule):
        step = 0
        automatic_optimization = False

        def configure_optimizers(self):
            return None

        def training_step(self, batch, batch_idx):
            assert batch.samples.tolist() == source.begun[-1] == [batch_idx * 2, batch_idx * 2 + 1]

    source = Source()
    data = SampledBatches(source, batch_size=2, overlap=False)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, limit_train_batches=3, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(Idle(), datamodule=data)
    assert source.begun == [[0, 1], [2, 3], [4, 5]]


def test_an_error_is_raised_in_place_of_its_batch_with_its_traceback():
    with loading(Source(), 0, 13) as (batches, loader):
        assert next(batches).samples.tolist() == [0]
        loader.synchronize()
        with pytest.raises(ValueError, match="there is no number 13") as caught:
            next(batches)
        assert "in fail" in "".join(traceback.format_exception(caught.value))


def test_parts_of_a_batch_are_drawn_one_after_the_other_and_split_again():
    source = Source()
    whole = DistillationBatch.cat([source([4, 5]), source([6, 7])])
    assert whole.samples.tolist() == [4, 5, 6, 7] and len(whole) == 4
    for part, numbers in zip(whole.split(2), ([4, 5], [6, 7]), strict=True):
        alone = source(numbers)
        assert all(map(torch.equal, tensors_of(part), tensors_of(alone)))
        assert part.triplane.axes == alone.triplane.axes
    with pytest.raises(ValueError, match="a batch of 4 samples can't be split into 3 equal parts"):
        whole.split(3)


def test_a_step_that_fails_leaves_no_thread(tmp_path, monkeypatch):
    def fail(*_):
        raise FloatingPointError("in the middle of a step")

    monkeypatch.setattr("pipeline.distillation.module.Distillation.update", fail)
    config = compose(
        "distill",
        "teacher=untrained_tiny",
        *[setting for setting in SMALL if not setting.startswith("plan")],
    )
    with pytest.raises(FloatingPointError):
        run(config, tmp_path / "run", max_steps=3, overlap=True)
    assert not teachers_at_work()


def test_automatic_is_on_a_gpu_only():
    devices = [torch.device("cpu"), torch.device("cuda", 0)]
    assert [
        [overlaps(setting, device) for device in devices] for setting in ("auto", True, False)
    ] == [[False, True], [True, True], [False, False]]
    with pytest.raises(
        ValueError, match=r"trainer.overlap is 'sometimes': use auto, true or false"
    ):
        overlaps("sometimes", devices[0])


def test_all_tensors_of_a_batch_are_found():
    config = compose("distill", "teacher=toy")
    identities = build_sampler(to_plain(config), instantiate(config.teacher))([0, 1])
    expected = [identities.samples, identities.image, identities.triplane.planes]
    for view in (identities.reference, identities.novel):
        expected += [view.camera.cam_to_world, view.camera.intrinsics]
        expected += [
            getattr(view.rendering, name)
            for name in ("image", "image_raw", "feature_image", "depth", "opacity")
        ]
    assert {id(tensor) for tensor in tensors_of(identities)} == {id(tensor) for tensor in expected}


class FakeStream:
    """A fake CUDA stream that records its calls."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def record_event(self) -> str:
        self.log.append(f"{self.name} records")
        return f"event of {self.name}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.name} waits for {event}")


class TensorOfGPU(torch.Tensor):
    """Says that it is on a GPU; notes the stream that uses it."""

    @property
    def is_cuda(self) -> bool:
        return True

    def record_stream(self, stream) -> None:
        stream.log.append(f"{stream.name} uses it")


def test_on_a_gpu_each_stream_waits_for_the_other_and_memory_for_both(monkeypatch):
    log: list[str] = []
    current = [FakeStream("student", log)]

    @contextmanager
    def stream(other):
        current.append(other)
        yield
        current.pop()

    @contextmanager
    def device(_):
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream("teacher", log))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current[-1])
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "device", device)

    batch = Source().sampler([0])
    batch = dataclasses.replace(batch, image=batch.image.as_subclass(TensorOfGPU))

    def draw():
        log.append(f"{current[-1].name} draws")
        return batch

    lane = CUDALane(torch.device("cuda", 0))
    lane.join(*lane.draw(draw, lane.fork()))
    assert log == [
        "student records",
        "teacher waits for event of student",
        "teacher draws",
        "teacher records",
        "student waits for event of teacher",
        "student uses it",
    ]
