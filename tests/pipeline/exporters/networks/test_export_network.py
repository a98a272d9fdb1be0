"""`trilift export network=…`: what it writes is torch's encoder, and lift runs it."""

import json
import zipfile

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.inference.bill import bill_of
from pipeline.manifests.certificate import PRIVATE_KEY, make_credential
from pipeline.manifests.verification import verify
from pipeline.runs.files import sha256_of_file
from pipeline.verbs import export
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings, tiny_lifter

EXPORT = """
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from pipeline.build.configuration import compose
from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.runtimes import sessions
from pipeline.lifter import Lifter
from pipeline.verbs import export

student, output, networks = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
for given in networks:
    network, formats, *more = given.split(":")
    settings = [f"network={network}", f"format=[{formats}]", f"output={output}"]
    export.main(compose("export", *settings, *more, f"checkpoint={student}"))
lifter = Lifter.load(student)
size = lifter.encoder.image_size
image = torch.rand(1, 3, size, size) * 2 - 1
expected = Reconstructor(lifter).lift(image).view(0.3).image
assert expected.std() > 0.01, "a picture of nothing"
worst = {}
for runtime, file in (("onnx", "encoder.onnx"), ("openvino", "encoder.onnx"),
                      ("openvino", "encoder.xml")):
    other = Reconstructor(lifter, runtime=runtime, runtime_file=output / file)
    difference = (other.lift(image).view(0.3).image - expected).abs().max()
    worst[f"{runtime} {file}"] = float(difference) * 127.5
session = onnxruntime.InferenceSession(output / "encoder.onnx")
program = torch.export.load(output / "encoder.pt2").module()
same = []
for rows in (image, image.expand(4, -1, -1, -1).contiguous()):
    (found,) = session.run(None, {"image": rows.numpy()})
    same.append(float(np.abs(found - program(rows).detach().numpy()).max()))
try:
    sessions.operator_precisions = lambda compiled: Counter(f32=9, bf16=2)
    sessions.OpenVino().open(output / "encoder.xml")
    refused = ""
except ValueError as error:
    refused = str(error)
metadata = session.get_modelmeta().custom_metadata_map
print(json.dumps([worst, same, metadata, refused]))
"""


def exported(server, student, folder, *networks):
    """What the process says, and what it finds."""
    for name in ("onnx", "onnxscript", "onnxruntime", "openvino", "c2pa"):
        pytest.importorskip(name)
    cache, arguments = str(folder / "cache"), (str(student), str(folder), *networks)
    said = server.run(EXPORT, *arguments, output=folder / "said", TRILIFT_CACHE=cache)
    return said, next(json.loads(line) for line in said.splitlines() if line.startswith("[{"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, fork_server):
    folder = tmp_path_factory.mktemp("networks")
    teacher = untrained_teacher(smallest_eg3d_settings(16))
    lifter = tiny_lifter(teacher, plane_channels=4, plane_resolution=8)
    lifter.encoder.calibrate(torch.zeros(12), torch.full([12], 20.0))
    lifter.save(folder / "student.safetensors")
    credential = make_credential(folder / "certificate", "tests")
    signing = [
        "provenance=c2pa",
        f"signing.certificate={credential}",
        f"signing.private_key={credential.with_name(PRIVATE_KEY)}",
    ]
    said, found = exported(
        fork_server,
        folder / "student.safetensors",
        folder,
        ":".join(["encoder:onnx,openvino,torch:comparison.inputs=2", *signing]),
    )
    return folder, said, found


def test_every_format_is_torchs_encoder_in_any_batch(encoder):
    folder, said, _ = encoder
    report = json.loads((folder / "encoder.json").read_text())
    rows = {(row["format"], row["program"].split()[0]): row for row in report["rows"]}
    assert [*rows] == [
        ("onnx", "ONNX"),
        ("onnx", "OpenVINO"),
        ("openvino", "OpenVINO"),
        ("torch", "torch"),
    ]
    for row in rows.values():
        assert row["within"] and row["planes"]["max"] < 1e-4
        assert [*row["batches"]] == ["1", "2", "5"] and max(row["batches"].values()) < 1e-4
        assert row["psnr"] > 80 and row["levels"]["max"] < 0.1
    assert "operators" in rows["openvino", "OpenVINO"]["precision"]
    assert "bf16" not in rows["openvino", "OpenVINO"]["precision"]
    assert (folder / "encoder.png").is_file()
    assert said.count("batches 1, 2, 5") == 4


def test_lift_draws_the_same_pictures_by_each_file(encoder):
    _, _, (worst, same, *_) = encoder
    assert len(worst) == 3 and max(worst.values()) < 0.1  # levels of 255
    assert max(same) < 1e-4  # batches of 1 and 4, outside trilift


def test_the_file_tells_another_program_what_it_is(encoder):
    metadata = encoder[2][2]
    assert metadata["network"] == "encoder" and metadata["precision"] == "float32"
    assert json.loads(metadata["passport"])["plane_axes"] == ["xy", "xz", "zx"]
    assert json.loads(metadata["inputs"])["image"]["shape"] == ["batch", 3, 32, 32]
    assert "[-1, 1]" in json.loads(metadata["inputs"])["image"]["is"]
    assert metadata["licence"].startswith("Apache-2.0")


def test_no_file_names_a_place_on_this_machine(encoder, repository):
    folder = encoder[0]
    for name in ("encoder.onnx", "encoder.xml", "encoder.pt2"):
        content = (folder / name).read_bytes()
        assert str(repository).encode() not in content and b"two_stage.py" not in content


def test_every_network_is_signed_beside_it(encoder):
    folder = encoder[0]
    networks = ["encoder.bin", "encoder.onnx", "encoder.pt2", "encoder.xml"]
    assert sorted(path.stem for path in folder.glob("*.c2pa")) == networks
    for name in networks:
        verdict = verify(folder / name)
        assert verdict.state == "untrusted"
        assert verdict.origin["student"]["sha256"] == sha256_of_file(folder / "student.safetensors")
        (actions,) = (each for each in verdict.manifest["assertions"] if "actions" in each["data"])
        source = actions["data"]["actions"][0]["digitalSourceType"]
        assert source.endswith("/trainedAlgorithmicData")


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder.xml", "encoder.pt2"])
def test_the_bill_of_a_network_is_that_of_its_student(encoder, name):
    folder = encoder[0]
    network, *others = bill_of(folder / name)
    assert network.name == "encoder of a student (students.two_stage.TwoStageEncoder)"
    student, *same = bill_of(folder / "student.safetensors")
    assert network.licence == student.licence
    assert [(item.name, item.licence) for item in others] == [
        (item.name, item.licence) for item in same
    ]


def test_a_file_of_torchs_that_trilift_has_not_written_has_no_bill(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("other/version", "3")
    with pytest.raises(ValueError, match=r"other\.pt2 is no network that trilift has written"):
        bill_of(tmp_path / "other.pt2")


def test_another_precision_than_the_pinned_one_is_refused(encoder):
    """Where the processor ignores the hint, it is float32 after all."""
    refused = encoder[2][3]
    assert "in bf16 (operators: 2 bf16, 9 f32), where f32 is asked for" in refused


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("format=[glb]", "format 'glb' is no format of a network: give some of onnx"),
        ("format=[]", "format is"),
        ("comparison.batches=[0]", r"comparison.batches is \[0\]"),
        ("network=head", "network is 'head': give one of encoder, decoder, renderer"),
    ],
)
def test_bad_settings_are_refused(tmp_path, override, message):
    given = ["network=encoder", "format=[torch]", f"output={tmp_path / 'out'}", override]
    with pytest.raises(ValueError, match=message):
        export.main(compose("export", *given))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_field_and_the_renderer_are_torchs_as_well(repository, tmp_path, fork_server):
    exported(
        fork_server, repository / "students/pretrained/puppets_tiny.safetensors", tmp_path,
        "encoder:onnx,openvino,torch", "decoder:onnx,openvino,torch",
        "renderer:onnx,openvino,torch",
    )  # fmt: skip
    decoder, renderer = (
        json.loads((tmp_path / f"{name}.json").read_text())["rows"]
        for name in ("decoder", "renderer")
    )
    assert len(decoder) == len(renderer) == 4
    for row in decoder:
        assert row["within"]
        keys = ("colors", "logits", "density", "odd_points")
        assert max(row[key]["max"] for key in keys) < 1e-4
    for row in renderer:
        assert row["within"] and row["psnr"] > 80
        assert max(row[key]["max"] for key in ("depth", "opacity")) < 1e-2
