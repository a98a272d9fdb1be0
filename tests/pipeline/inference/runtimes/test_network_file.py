"""What a file of an exported network is refused for."""

import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.exporters.networks.files import write_openvino
from pipeline.inference.runtimes import network_file
from pipeline.inference.runtimes.exported import encoder_graph
from pipeline.inference.runtimes.metadata import IMAGE, PLANES, metadata_of
from pipeline.inference.runtimes.network_file import (
    NotOurs,
    data_beside,
    read_metadata,
    require_encoder_of,
    seal_openvino,
    write_onnx,
    write_properties,
)
from pipeline.lifter import Lifter
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return tiny_lifter(ToyTeacher(resolution=8)).eval()


@pytest.fixture
def metadata(lifter):
    graph = encoder_graph(lifter.encoder, 32)
    return metadata_of(lifter, "encoder", graph, {"image": IMAGE, "planes": PLANES}, 32)


def adding(metadata, *, kind=TensorProto.FLOAT, size=64):
    """A graph that adds a constant, under these metadata."""
    weights = helper.make_tensor("w", kind, [size], bytes(size * (4 if kind == 1 else 2)), raw=True)
    value = [helper.make_tensor_value_info(name, kind, [size]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", value[:1], value[1:], [weights]
    )
    model = helper.make_model(graph)
    write_properties(model, metadata)
    return model


def write(path, metadata, **graph):
    write_onnx(adding(metadata, **graph), path)
    return path


def test_metadata_are_read_back_and_the_file_stays_onnx(tmp_path, metadata):
    path = write(tmp_path / "encoder.onnx", metadata)
    assert metadata.items() <= read_metadata(path).items()
    onnx.checker.check_model(str(path))


@pytest.mark.parametrize("place", [0.1, 0.5, -1])
def test_a_changed_byte_is_noticed(tmp_path, metadata, place):
    path = write(tmp_path / "encoder.onnx", metadata)
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if place > 0 else -1] ^= 1
    path.write_bytes(content)
    with pytest.raises(NotOurs, match=r"encoder\.onnx"):
        read_metadata(path)


def test_half_a_file_is_damaged(tmp_path, metadata):
    path = write(tmp_path / "encoder.onnx", metadata)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(NotOurs, match="is damaged"):
        read_metadata(path)


def test_weights_in_a_second_file_are_part_of_the_seal(tmp_path, metadata, monkeypatch):
    monkeypatch.setattr(network_file, "LARGEST_FILE", 100)
    path = write(tmp_path / "encoder.onnx", metadata, size=1024)
    assert data_beside(path).stat().st_size >= 4096
    read_metadata(path)
    data_beside(path).write_bytes(b"\1" * 4096)
    with pytest.raises(NotOurs, match="is damaged"):
        read_metadata(path)


def test_a_large_network_is_written_in_two_formats(tmp_path, metadata, monkeypatch):
    monkeypatch.setattr(network_file, "LARGEST_FILE", 100)
    model = adding(metadata, size=1024)
    write_onnx(model, tmp_path / "encoder.onnx")
    write_openvino(model, metadata, tmp_path / "encoder.xml")
    assert (tmp_path / "encoder.bin").stat().st_size >= 4096


def test_another_programs_file_is_refused(tmp_path):
    with pytest.raises(NotOurs, match="no network that trilift has written"):
        read_metadata(write(tmp_path / "other.onnx", {}))


def test_half_precision_is_refused(tmp_path, metadata):
    path = write(tmp_path / "encoder.onnx", metadata, kind=TensorProto.FLOAT16)
    with pytest.raises(NotOurs, match="weights in FLOAT16, runtimes here compute in float32"):
        read_metadata(path)
    path = write(tmp_path / "encoder.onnx", {**metadata, "precision": "bfloat16"})
    with pytest.raises(NotOurs, match="weights in bfloat16"):
        read_metadata(path)


def test_openvinos_two_files_are_sealed_together(tmp_path, metadata):
    path = tmp_path / "encoder.xml"
    values = "".join(f'<{key} value="{len(value)}" />' for key, value in metadata.items())
    text = f'<?xml version="1.0"?>\n<net><rt_info><trilift>{values}</trilift></rt_info></net>\n'
    path.write_text(text.replace('<precision value="7"', '<precision value="float32"'))
    path.with_suffix(".bin").write_bytes(b"weights")
    seal_openvino(path)
    assert read_metadata(path)["precision"] == "float32"
    path.with_suffix(".bin").write_bytes(b"Weights")
    with pytest.raises(NotOurs, match="is damaged"):
        read_metadata(path)


def test_an_encoder_belongs_to_one_student_and_one_size(tmp_path, lifter, metadata):
    path = tmp_path / "encoder.onnx"
    require_encoder_of(path, metadata, lifter, 32)
    other = tiny_lifter(ToyTeacher(resolution=8), dim=8)
    with pytest.raises(ValueError, match="holds the encoder of another student"):
        require_encoder_of(path, metadata, other, 32)
    with pytest.raises(ValueError, match=r"takes images of 32², 64² are asked for"):
        require_encoder_of(path, metadata, lifter, 64)
    with pytest.raises(ValueError, match="holds a renderer, not an encoder"):
        require_encoder_of(path, {**metadata, "network": "renderer"}, lifter, 32)


def test_a_missing_file_says_how_one_is_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="trilift export network=encoder"):
        read_metadata(tmp_path / "encoder.onnx")
