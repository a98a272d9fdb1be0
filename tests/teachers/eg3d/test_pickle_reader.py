"""The snapshot reader returns what was written; other files are errors of one line."""

import hashlib
import io
import pickle
import random
import zipfile

import numpy as np
import pytest
import torch

from teachers.eg3d.legacy_storage import read_storage, view_tensor
from teachers.eg3d.pickle_machine import UnreadablePickle
from teachers.eg3d.snapshot import read_snapshot


def tiny_weights():
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "dataset_label_std": (25,),
        "backbone.mapping.w_avg": (8,),
        "backbone.synthesis.b4.conv1.weight": (4, 3, 3, 3),
        "backbone.synthesis.b4.conv1.noise_strength": (),
        "decoder.net.0.weight": (5, 3),
        "superresolution.block0.conv0.bias": (6,),
    }
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def write(official, tmp_path):
    """Writes a snapshot dictionary, or bytes, and returns the path."""

    def to_file(content, protocol=4):
        path = tmp_path / "network.pkl"
        path.write_bytes(
            content if isinstance(content, bytes) else official.official_pickle(content, protocol)
        )
        return path

    return to_file


@pytest.mark.parametrize("protocol", [4, 5])
def test_weights_settings_and_attributes_come_back_exactly(official, write, protocol):
    weights = tiny_weights()
    settings = {
        "ray_start": 2.25,
        "box_warp": 1,
        "avg_camera_pivot": [0, 0, 0.2],
        "white_back": False,
    }
    path = write(
        official.official_snapshot(
            weights,
            {"b4.out.bias": torch.ones(1)},
            init_kwargs={"z_dim": 8},
            rendering_kwargs=settings,
            resolution=128,
        ),
        protocol,
    )
    snapshot = read_snapshot(path)
    assert list(snapshot.generator_state) == list(weights)
    assert all(
        np.array_equal(array, weights[name].numpy()) and array.shape == tuple(weights[name].shape)
        for name, array in snapshot.generator_state.items()
    )
    assert list(snapshot.discriminator_state) == ["b4.out.bias"]
    assert snapshot.rendering_kwargs == settings
    assert snapshot.init_kwargs == {"z_dim": 8}
    assert snapshot.neural_rendering_resolution == 128
    assert snapshot.superresolution_class == "SuperresolutionHybrid8XDC"
    assert snapshot.training_set_kwargs["path"] == "faces.zip"
    np.testing.assert_array_equal(snapshot.plane_axes, official.OFFICIAL_AXES.numpy())


def test_transposed_tensors_and_shared_storages_are_read_through_their_strides(official, write):
    base = torch.arange(24.0)
    weights = {"backbone.a": base[4:16].reshape(3, 4).T, "decoder.net.0.weight": base[::2]}
    state = read_snapshot(write(official.official_snapshot(weights))).generator_state
    assert all(np.array_equal(state[name], weights[name].numpy()) for name in weights)


def test_arrays_are_views_into_the_file_and_can_not_be_written(official, write):
    array = read_snapshot(write(official.official_snapshot(tiny_weights()))).generator_state[
        "decoder.net.0.weight"
    ]
    assert not array.flags.owndata and not array.flags.writeable


def test_a_cuda_location_does_not_matter(official, write):
    data = official.official_pickle(official.official_snapshot(tiny_weights()))
    moved = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x03\x00\x00\x00gpu")
    assert moved != data
    assert len(read_snapshot(write(moved)).generator_state) == 6


def test_source_text_is_kept_only_as_its_hash(official, write):
    snapshot = read_snapshot(write(official.official_snapshot(tiny_weights())))
    assert (
        snapshot.source_hashes["TriPlaneGenerator"]
        == hashlib.sha256(official.PLACEHOLDER_SOURCE.encode()).hexdigest()
    )


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_older_and_newer_numpy_name_their_scalars_differently(official, write, module):
    renames = {"numpy._core.multiarray": module, "numpy.core.multiarray": module}
    data = official.official_pickle(
        official.official_snapshot(tiny_weights()), renamed_modules=renames
    )
    assert module.encode() in data
    assert len(read_snapshot(write(data)).generator_state) == 6


def test_missing_attributes_have_defaults(official, write):
    snapshot = official.official_snapshot(
        tiny_weights(), init_kwargs={"rendering_kwargs": {"box_warp": 1}}, plane_axes=None
    )
    state = snapshot["G_ema"].meta["state"]
    del state["neural_rendering_resolution"], state["rendering_kwargs"]
    read = read_snapshot(write(snapshot))
    assert read.neural_rendering_resolution == 64
    assert read.rendering_kwargs == {"box_warp": 1}
    assert read.plane_axes is None


# What is wrong with other files


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_called_truncated(official, write, part):
    data = official.official_pickle(official.official_snapshot(tiny_weights()))
    with pytest.raises(ValueError, match=r"truncated.*[Dd]ownload"):
        read_snapshot(write(data[: max(3, int(len(data) * part))]))


def test_other_files_are_named_for_what_they_are(official, write, tmp_path):
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("data.pkl", b"")
    torch.save({"a": torch.ones(2)}, tmp_path / "legacy", _use_new_zipfile_serialization=False)
    tensorflow = official.official_pickle(
        {"G_ema": official.named("dnnlib.tflib.network", "Network")}
    )
    cases = {
        "zip file": (tmp_path / "zip").read_bytes(),
        "torch.save": (tmp_path / "legacy").read_bytes(),
        "TensorFlow": tensorflow,
        "no network 'G_ema', only 'G'": pickle.dumps({"G": 1}),
        "a list instead of a dictionary": pickle.dumps([1, 2]),
        "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "web page": b"<!DOCTYPE html><html>",
        "not a pickle": b"\x89PNG\r\n\x1a\n",
        "is empty": b"",
        "follow the end": official.official_pickle(official.official_snapshot(tiny_weights()))
        + b"tail",
    }
    for words, content in cases.items():
        with pytest.raises(ValueError, match=words):
            read_snapshot(write(content))
    with pytest.raises(ValueError, match="is not a file"):
        read_snapshot(tmp_path / "nowhere.pkl")


def test_a_two_dimensional_gan_is_not_eg3d(official, write):
    network = official.Persistent("Generator", official.module_state({}, {}))
    with pytest.raises(ValueError, match=r"'Generator'.*2D GAN"):
        read_snapshot(write({"G_ema": network}))


def test_other_plane_layouts_are_refused(official, write):
    with pytest.raises(ValueError, match=r"plane_axes is \[4, 3, 3\]"):
        read_snapshot(
            write(
                official.official_snapshot(tiny_weights(), plane_axes=torch.eye(3).repeat(4, 1, 1))
            )
        )


def test_a_module_that_contains_itself_ends_with_an_error(official, write):
    marker = b"\x8c\x08_modules\x94}\x94"
    data = official.official_pickle(
        {"G_ema": official.plain_module("training.triplane", "OSGDecoder", {"_modules": {}})}
    )
    assert marker in data
    # {"_modules": {"backbone": <the object itself>, …}}: the object is already in the memo when its
    # state is read.
    memo = data[: data.index(b"OSGDecoder")].count(b"\x94") + 2
    own = b"h" + bytes([memo])
    entries = b"".join(
        b"\x8c" + bytes([len(name)]) + name + own for name in (b"backbone", b"decoder", b"renderer")
    )
    data = b"\x80\x04" + data[11:].replace(marker, marker + b"(" + entries + b"u")
    with pytest.raises(ValueError, match="contains itself"):
        read_snapshot(write(data))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (0, (3,), (-1,)),
        (0, (1 << 40,), (0,)),
        (0, (2,), (1, 1)),
        (0.0, (2,), (1,)),
        (0, [2], [1]),
    ],
)
def test_a_tensor_must_lie_inside_its_storage(official, offset, size, stride):
    storage = read_storage(memoryview(_blob(torch.arange(6.0))))
    with pytest.raises(UnreadablePickle, match="damaged"):
        view_tensor(storage, offset, size, stride)
    assert view_tensor(storage, 1, (2, 2), (2, 1)).tolist() == [[1, 2], [3, 4]]


def _blob(tensor):
    buffer = io.BytesIO()
    torch.save(tensor.storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]
)
def test_storages_of_every_allowed_type_equal_torchs(dtype):
    tensor = torch.tensor([0, 1, 2, 1]).to(dtype)
    assert read_storage(memoryview(_blob(tensor))).values.tolist() == tensor.tolist()


def test_damaged_bytes_raise_nothing_but_value_errors(official, write):
    data = official.official_pickle(
        official.official_snapshot({"backbone.a": torch.ones(3), "decoder.b": torch.ones(2)})
    )
    numbers = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(numbers.randint(1, 4)):
            damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        try:
            read_snapshot(write(bytes(damaged)))
        except ValueError as error:
            refused += 1
            assert len(str(error)) < 700
    assert refused > 100
