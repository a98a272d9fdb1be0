"""Identities made ahead are the same identities, made once, in the same order; what goes wrong
meanwhile is told in its place.
"""

import dataclasses
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.sampler import build_sampler
from pipeline.distillation.prefetch import CUDALane, Prefetcher, overlaps, tensors_of
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs.distill import distill
from teachers.eg3d.discriminator import Discriminator
from teachers.eg3d.teacher import save_eg3d
from teachers.eg3d.untrained import untrained_teacher
from teachers.toy import ToyTeacher

TINY_TEACHER = {
    "z_dim": 8, "w_dim": 8, "plane_resolution": 16, "plane_channels": 8, "channel_base": 64, "channel_max": 8, "render_resolution": 32,
    "image_resolution": 32, "super_resolution": "none", "sr_latent": "none", "depth_samples": 4, "importance_samples": 4,
    "background": "matte",
}  # fmt: skip
SMALL = [
    *(f"student.{key}" for key in (
        "image_size=32", "backbone_widths=[8,8,8]", "dim=16", "canonical_blocks=1", "canonical_widths=[8]", "detail_widths=[8,8]",
        "detail_strides=[1,2]", "fusion_widths=[8]", "fusion_dim=16", "head_widths=[8]",
    )),
    "batch_size=4", "trainer.accumulate=2", "calibration_samples=2",
    "callbacks.validation={every_steps:2,samples:1}", "callbacks.preview.identities=0",
    "plan=two_stage", "plan.stages.reconstruction.steps=2", "plan.adversary.r1_every=2", "callbacks.state.every_steps=100",
]  # fmt: skip
CHOOSY = [
    "sampler=filtered", "sampler.filter.opacity=[0.28,null]", "sampler.filter.depth=null", "sampler.filter.relief=null",
    "sampler.filter.attempts=2",
]  # fmt: skip


class Source:
    """A sampler of a toy teacher; notes what it is asked for, and by whom. Number 13 cannot be
    made.
    """

    def __init__(self) -> None:
        teacher = ToyTeacher(
            plane_resolution=8, resolution=8, depth_samples=4, importance_samples=4
        )
        self.sampler = build_sampler(to_plain(compose("distill", "teacher=toy")), teacher)
        self.rendering, self.to, self.planes, self.jitter = (
            getattr(self.sampler, name) for name in ("rendering", "to", "planes", "jitter")
        )
        self.asked: list[list[int]] = []
        self.answered: list[list[int]] = []
        self.threads: list[str] = []

    def __call__(self, samples):
        self.asked.append(list(samples))
        self.threads.append(threading.current_thread().name)
        if 13 in samples:
            self.stumble()
        if self.threads[-1].startswith("teacher"):
            time.sleep(0.05)
        identities = self.sampler(samples)
        self.answered.append(list(samples))
        return identities

    def stumble(self):
        raise ValueError("nobody has number 13")


@contextmanager
def prefetching(source, overlap=True):
    prefetcher = Prefetcher(source, overlap)
    prefetcher.start(torch.device("cpu"))
    yield prefetcher
    prefetcher.close()


def teachers_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("teacher")]


@pytest.fixture
def teacher_folder(tmp_path) -> Path:
    torch.manual_seed(0)
    critic = Discriminator(
        resolution=32,
        image_channels=4,
        channel_base=64,
        channel_max=8,
        num_mapping_layers=1,
        group=2,
    )
    save_eg3d(tmp_path / "teacher", untrained_teacher(TINY_TEACHER), critic)
    return tmp_path / "teacher"


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
    tmp_path, teacher_folder, sampler, monkeypatch
):
    samplers = []
    build = "pipeline.build.distillation.build_sampler"
    monkeypatch.setattr(
        build, lambda *arguments: samplers.append(build_sampler(*arguments)) or samplers[-1]
    )
    config = compose(
        "distill", "teacher=folder", f"teacher.path={teacher_folder}", *SMALL, *sampler
    )
    alternating = run(config, tmp_path / "alternating", max_steps=4, overlap=False)
    overlapping = run(config, tmp_path / "overlapping", max_steps=4, overlap=True)
    for stop in (3, 4):
        continued = run(config, tmp_path / "continued", max_steps=stop, overlap=True)
    assert not teachers_at_work()
    for part in ("state_dict", "optimizer_states", "distillation"):
        expected = list(tensors_of(alternating[part]))
        assert part == "distillation" or expected
        for state in (overlapping, continued):
            assert all(
                torch.equal(one, other)
                for one, other in zip(expected, tensors_of(state[part]), strict=True)
            )
    if sampler is CHOOSY:
        first, second = (samplers[i].filter.counts for i in range(2))
        assert 0 < first.rejected < first.judged
        assert vars(first) == vars(second)


def test_the_next_identities_are_made_meanwhile_and_nobody_twice():
    source = Source()
    with prefetching(source) as prefetcher:
        assert prefetcher.take([0, 1], then=[2, 3]).samples.tolist() == [0, 1]
        deadline = time.monotonic() + 60
        while len(source.answered) < 2:  # without anybody having taken them yet
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert prefetcher.take([2, 3], then=[4, 5]).samples.tolist() == [2, 3]
        assert prefetcher.take([4, 5]).samples.tolist() == [4, 5]
        assert source.asked == [[0, 1], [2, 3], [4, 5]]
        assert [name.startswith("teacher") for name in source.threads] == [False, True, True]
    assert not teachers_at_work()


def test_without_overlap_nothing_is_made_before_it_is_asked_for():
    source = Source()
    with prefetching(source, overlap=False) as prefetcher:
        prefetcher.take([0], then=[1])
        prefetcher.settle()
        assert source.asked == [[0]]
        assert prefetcher.take([1]).samples.tolist() == [1]


@pytest.mark.parametrize("end", ["settle", "close"])
def test_settling_and_closing_wait_for_the_teacher(end):
    source = Source()
    with prefetching(source) as prefetcher:
        prefetcher.take([0], then=[1])
        getattr(prefetcher, end)()
        assert source.answered == [[0], [1]]


def test_other_identities_than_were_ordered_are_made_when_they_are_asked_for():
    with prefetching(Source()) as prefetcher:
        prefetcher.take([0], then=[1])
        assert prefetcher.take([7], then=[8]).samples.tolist() == [7]
        assert prefetcher.take([8]).samples.tolist() == [8]


def test_an_error_comes_with_the_batch_that_it_is_about_and_with_its_traceback():
    with prefetching(Source()) as prefetcher:
        prefetcher.take([0], then=[13])
        prefetcher.settle()
        with pytest.raises(ValueError, match="nobody has number 13") as caught:
            prefetcher.take([13], then=[14])
        assert "stumble" in "".join(traceback.format_exception(caught.value))
        assert prefetcher.take([14]).samples.tolist() == [14]


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
    """A stream of a GPU that isn't there: notes what it is told."""

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

    identities = Source().sampler([0])
    identities = dataclasses.replace(identities, image=identities.image.as_subclass(TensorOfGPU))

    def make():
        log.append(f"{current[-1].name} makes")
        return identities

    lane = CUDALane(torch.device("cuda", 0))
    lane.join(*lane.make(make, lane.fork()))
    assert log == [
        "student records",
        "teacher waits for event of student",
        "teacher makes",
        "teacher records",
        "student waits for event of teacher",
        "student uses it",
    ]
