"""Processes share items; the pictures that are read are those that were stored."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluation.items import Item, ItemViews
from pipeline.evaluation.picture_store import PictureStore, Prediction, read_png, read_views
from pipeline.evaluation.work_share import WorkShare, share_of_launcher
from pipeline.runs.peak_memory import PeakMemory
from pipeline.runs.tensor_file import write_tensors
from teachers.rendering.camera import Camera


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_item_is_one_processes(count):
    together = [index for rank in range(count) for index in WorkShare(rank, count).of(13)]
    assert sorted(together) == list(range(13))


def test_launchers_say_which_process_this_is():
    assert share_of_launcher(
        {"RANK": "3", "WORLD_SIZE": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
    ) == WorkShare(3, 4)
    job = {"SLURM_NTASKS": "2"}
    assert share_of_launcher(
        {**job, "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}
    ) == WorkShare(1, 2)
    assert share_of_launcher(
        {**job, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}
    ) == WorkShare(0, 1)
    assert share_of_launcher({**job, "SLURM_PROCID": "0"}) == WorkShare(0, 1)  # a batch script
    assert share_of_launcher({}) == WorkShare(0, 1)
    with pytest.raises(ValueError, match="process 2 of 2"):
        WorkShare(2, 2)


def test_what_is_stored_is_the_nearest_of_256_levels_and_stays_that(tmp_path):
    store = PictureStore(tmp_path)
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    store.put_views(
        "student", "a", Prediction(image, torch.rand(2, 1, 8, 8) + 2, torch.ones(2, 1, 8, 8))
    )
    read = store.get_views("student", "a", 2)
    assert (read.image - image).abs().max() <= 1 / 255 + 1e-6
    assert read.depth is not None and read.depth.shape == (2, 1, 16, 16) and read.normal is None
    bytes_before = (tmp_path / store.picture("student", "a", 1)).read_bytes()
    store.put_views("student", "a", read)
    assert (tmp_path / store.picture("student", "a", 1)).read_bytes() == bytes_before
    assert torch.equal(store.get_views("student", "a", 2).image, read.image)


def test_a_missing_or_broken_picture_is_named(tmp_path):
    store = PictureStore(tmp_path)
    with pytest.raises(ValueError, match=r"nothing.png is missing"):
        store.get_picture("nothing.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"broken.png can't be used: not a picture"):
        store.get_picture("broken.png")


def test_predictions_of_16_bits_are_scaled_and_transparent_ones_refused(tmp_path):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels * 257).save(tmp_path / "deep.png")
    image = read_png(tmp_path / "deep.png")
    assert torch.equal(
        ((image + 1) * 127.5).round()[0], torch.from_numpy(levels.astype(np.float32))
    )
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    with pytest.raises(ValueError, match=r"clear\.png can't be used: some pixels are transparent"):
        read_png(tmp_path / "clear.png")


def test_a_large_tensor_is_seen_in_the_peak():
    before = PeakMemory(torch.device("cpu")).mib()
    if before is None:
        pytest.skip("this system doesn't tell the peak of a process")
    watched = PeakMemory(torch.device("cpu"))
    torch.ones(64, 2**18).sum()
    peak = watched.mib()
    assert peak is not None and peak > before + 48
    after = PeakMemory(torch.device("cpu")).mib()
    assert after is not None and after < peak - 32


def test_an_item_that_can_not_name_files_is_refused():
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1))
    for name in ("a/b", "", "a_0", ".hidden"):
        with pytest.raises(ValueError, match="can't name files"):
            Item(name=name, image=None, targets=camera)
    with pytest.raises(ValueError, match="1 target cameras and 2 reference views"):
        Item(name="a", image=None, targets=camera, reference=ItemViews(torch.zeros(2, 3, 4, 4)))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (torch.ones(16, 16), None, r"depth in .*a\.safetensors has the shape \[16, 16\]"),
        (
            torch.ones(3, 16, 16),
            None,
            r"has the shape \[3, 16, 16\]: expected \[1, height, width\]",
        ),
        (torch.ones(1, 16, 16), torch.ones(1, 8, 8), r"\[1, 16, 16\] in a.*\[1, 8, 8\] in b"),
        (torch.full((1, 16, 16), torch.nan), None, r"depth in .*a\.safetensors holds nan"),
        (torch.full((1, 16, 16), torch.inf), None, r"depth in .*a\.safetensors holds inf"),
    ],
)
def test_a_map_of_another_shape_or_range_is_named(tmp_path, first, second, said):
    for name, depth in (("a", first), ("b", first if second is None else second)):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{name}.png")
        write_tensors(tmp_path / f"{name}.safetensors", {"depth": depth})
    paths = [[tmp_path / f"{name}{suffix}" for name in "ab"] for suffix in (".png", ".safetensors")]
    with pytest.raises(ValueError, match=said):
        read_views(*paths, must_be_finite=True)
