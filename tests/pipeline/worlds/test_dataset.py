import io
import json
import multiprocessing
import os
import signal
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.worlds.dataset import Photographer, PoseDistribution, _in_processes, export_identities
from pipeline.worlds.dataset_zip import write_dataset
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

ORIGIN = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> zipfile.ZipFile:
    path = tmp_path_factory.mktemp("puppets") / "identities.zip"
    export_identities(
        path,
        split=Split.TEST,
        count=4,
        first=10,
        resolution=32,
        supersampling=1,
        workers=0,
    )
    return zipfile.ZipFile(path)


def test_a_picture_is_the_view_that_its_label_says(archive):
    index = json.loads(archive.read("dataset.json"))
    assert (
        index["alpha"] == "premultiplied" and index["split"] == "test" and len(index["labels"]) == 4
    )
    name, label = index["labels"][2]
    camera = Camera.from_label(torch.tensor([label]))
    views = PuppetWorld(supersampling=1).render(WorldSeeds.of(Split.TEST, [12]), camera, 32)
    picture = np.asarray(Image.open(io.BytesIO(archive.read(name))))
    expected = (views.rgba()[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(picture.astype(int) - expected.astype(int)).mean() < 0.1


def test_the_zip_is_uncompressed_and_named_as_eg3d_names(archive):
    assert all(file.compress_type == zipfile.ZIP_STORED for file in archive.infolist())
    assert "00000/img00000003.png" in archive.namelist()


def test_worker_processes_render_the_same_identities(archive, tmp_path):
    path = export_identities(
        tmp_path / "w.zip",
        split=Split.TEST,
        count=2,
        first=10,
        resolution=32,
        supersampling=1,
        workers=1,
    )
    other = zipfile.ZipFile(path)
    pixels = [
        np.asarray(Image.open(io.BytesIO(a.read("00000/img00000001.png")))).astype(int)
        for a in (archive, other)
    ]
    assert np.abs(pixels[0] - pixels[1]).mean() < 0.1


def test_poses_follow_their_distribution_and_belong_to_the_identity():
    distribution = PoseDistribution(
        yaw_deviation=0.4, yaw_limit=0.6, pitch_deviation=0.1, pitch_limit=0.2
    )
    position = (
        distribution.cameras(WorldSeeds.of(Split.TRAIN, range(5000)), ORIGIN).cam_to_world[:, :3, 3]
        / 2.7
    )
    yaw, pitch = torch.atan2(position[:, 0], position[:, 2]), position[:, 1].asin()
    assert yaw.abs().max() < 0.601 and pitch.abs().max() < 0.201
    assert abs(yaw.mean()) < 0.02 and abs(pitch.std() - 0.096) < 0.01
    alone = (
        distribution.cameras(WorldSeeds.of(Split.TRAIN, [4321]), ORIGIN).cam_to_world[0, :3, 3]
        / 2.7
    )
    torch.testing.assert_close(alone, position[4321])


def test_a_failed_export_leaves_no_file(tmp_path):
    def broken():
        yield b"png", [0.0] * 25
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_dataset(tmp_path / "d.zip", broken())
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_write_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_dataset(tmp_path / "d.zip", iter([]))
    with pytest.raises(ValueError, match="at least one identity"):
        export_identities(tmp_path / "d.zip", split=Split.TRAIN, count=0)
    with pytest.raises(ValueError, match="has identities 0 to"):
        export_identities(tmp_path / "d.zip", split=Split.TRAIN, count=10, first=999_995)


class Killed(Photographer):
    """Its processes are ended, as by a system that is out of memory."""

    def __init__(self):
        pass

    def take(self, start, count):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return []


def test_a_killed_process_ends_the_rendering_with_an_error():
    chunks = [(start, 1) for start in range(8)]
    with pytest.raises(ValueError, match=r"one of 2 processes .* ended from outside"):
        list(_in_processes(Killed(), chunks, 2))
