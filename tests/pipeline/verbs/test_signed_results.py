"""`provenance=c2pa` of export, generate and the page: every result is signed last."""

import hashlib
import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.inference.bill import bill_of
from pipeline.inference.pretrained import student_file
from pipeline.inference.triplane_file import save_triplane
from pipeline.inversion.models import Models
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.manifests.certificate import make_credential
from pipeline.manifests.verification import verify
from pipeline.runs.files import sha256_of_file, write_json
from pipeline.verbs import export, generate

pytest.importorskip("c2pa", reason="pip install 'trilift[provenance]'")


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """Overrides that sign with a self-made certificate."""
    folder = tmp_path_factory.mktemp("certificate")
    make_credential(folder, "A test")
    return [
        "provenance=c2pa",
        f"signing.certificate={folder / 'certificate.pem'}",
        f"signing.private_key={folder / 'private_key.pem'}",
    ]


def alter(path: Path) -> None:
    """Changes a bit of what is shown: of a film's frames, since half of a short film is manifest,
    whose padding nobody signs.
    """
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if path.suffix == ".mp4":
        frames = content.index(b"mdat")
        place = frames + int.from_bytes(content[frames - 4 : frames], "big") // 2
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def exported(certified, tmp_path_factory):
    """What export writes of a folder of lift: every format, and the pictures with them."""
    folder = tmp_path_factory.mktemp("lifted") / "anna"
    student = Lifter.load(student_file("bundled/puppets_tiny"))
    method = Student(models=Models(student=lambda: student))
    portrait = method.lift(torch.zeros(1, 3, method.image_size, method.image_size))
    save_triplane(folder / "triplane.safetensors", portrait.triplane, portrait.passport)
    write_json(folder / "crop.json", {"source_sha256": "c" * 64, "hooks": [{"name": "cartoon"}]})
    output = folder.parent / "out"
    given = [
        f"input={folder}",
        f"output={output}",
        "format=[glb,ply,obj,usdz]",
        "mesh.resolution=24",
    ]
    export.main(compose("export", *given, *certified))
    return folder, output / "anna"


@pytest.mark.parametrize("name", ["head.glb", "head.ply", "head.obj", "head.mtl", "head.usdz"])
def test_an_exported_file_is_valid_until_one_bit_changes(name, exported):
    lifted, folder = exported
    path = folder / name
    verdict = verify(path)
    assert verdict.state == "untrusted"
    assert verdict.ingredients == [
        f"inputTo photograph sha256:{'c' * 64}",
        f"inputTo triplane sha256:{sha256_of_file(lifted / 'triplane.safetensors')}",
    ]
    assert verdict.origin["hooks"] == ["cartoon"]
    alter(path)
    assert verify(path).state == "broken"
    alter(path)  # back
    assert verify(path).state == "untrusted"


def test_an_altered_sidecar_is_broken_and_the_bill_reads_an_intact_one(exported):
    path = exported[1] / "head.glb"
    assert bill_of(path)[0].name == "teacher puppets"
    beside = path.with_name("head.glb.c2pa")
    alter(beside)
    assert verify(path).state == "broken"
    alter(beside)


def test_a_manifest_does_not_outlive_the_file_that_it_vouches_for(exported, certified, tmp_path):
    given = [f"input={exported[0]}", f"output={tmp_path}", "format=ply"]
    export.main(compose("export", *given, "mesh.resolution=24", *certified))
    mesh = tmp_path / "anna" / "head.ply"
    assert verify(mesh).state == "untrusted"
    export.main(compose("export", *given, "mesh.resolution=25"))
    assert verify(mesh).state == "none" and [path.name for path in mesh.parent.iterdir()] == [
        "head.ply"
    ]


def test_a_network_that_is_written_again_loses_its_old_manifest(tmp_path, monkeypatch):
    network, beside = tmp_path / "decoder.onnx", tmp_path / "decoder.onnx.c2pa"
    beside.write_bytes(b"of other bytes")
    written = SimpleNamespace(files=[network], is_within=True)
    monkeypatch.setattr(export, "export_network", lambda *given: written)
    monkeypatch.setattr(export, "puppets", lambda *given: [])
    given = ["network=decoder", "format=onnx", f"output={tmp_path}"]
    export.main(compose("export", *given, "checkpoint=bundled/puppets"))
    assert not beside.exists()


def test_the_bill_of_a_signed_picture_under_another_of_its_suffixes(exported, certified, tmp_path):
    given = [f"input={exported[0]}", f"output={tmp_path}", "format=stereo"]
    export.main(compose("export", *given, *certified))
    copy = tmp_path / "HEAD.PNG"
    shutil.copy(tmp_path / "anna" / "head_sbs.png", copy)
    assert bill_of(copy)[0].name == "teacher puppets"


def test_generated_shards_are_vouched_for_by_their_manifest(certified, tmp_path):
    output = tmp_path / "set"
    given = ["teacher=toy", "shards.size=2", "count=2", f"output={output}", "threads=1"]
    generate.main(compose("generate", *given, *certified))
    manifest = output / "manifest.json"
    verdict = verify(manifest)
    assert verdict.state == "untrusted" and verdict.ingredients == []
    said = json.dumps(verdict.manifest)
    assert "digitalsourcetype/trainedAlgorithmicMedia" in said and "composite" not in said
    (shard,) = json.loads(manifest.read_text())["shards"].values()
    assert shard["sha256"] == sha256_of_file(next(output.glob("shards/*.tar")))
    alter(manifest)
    assert verify(manifest).state == "broken"


def test_without_a_certificate_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    given = ["teacher=toy", "shards.size=2", "count=2", f"output={tmp_path / 'set'}", "threads=1"]
    with pytest.raises(FileNotFoundError, match="trilift provenance init"):
        generate.main(compose("generate", *given, "provenance=c2pa"))
    assert not list((tmp_path / "set").glob("shards/*.tar"))


def test_downloads_of_the_page_are_signed_and_labelled(certified, tmp_path):
    pytest.importorskip("aiohttp")
    import asyncio

    from aiohttp.test_utils import TestClient, TestServer

    from pipeline.verbs.view import viewer_of
    from pipeline.viewer.server import application

    limits = ["limits.turntable_frames=2", "limits.mesh_resolution=24"]
    viewer = viewer_of(compose("view", "portraits=centre", "label=true", *limits, *certified))
    pixels = np.zeros((40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()

    async def downloaded() -> dict[str, bytes]:
        async with TestClient(TestServer(application(viewer))) as client:
            query = {"token": viewer.token}
            added = await client.post("/photographs?name=a.png", params=query, data=content)
            number = (await added.json())["number"]
            found = {}
            contender = next(iter(viewer.workbench.contenders))
            for what in ("picture.png", "turntable", "head.glb", "triplane.safetensors"):
                path = f"/photographs/{number}/{contender}/{what}"
                answer = await client.get(path, params=query)
                assert answer.status == 200, await answer.text()
                found[answer.content_disposition.filename] = await answer.read()
            return found

    # a thread of its own: a browser of another test keeps a loop running in this one
    with ThreadPoolExecutor(1) as pool:
        files = pool.submit(asyncio.run, downloaded()).result()
    film = next(name for name in files if "turntable" in name)
    assert set(files) == {"a_image.png", film, "a_head.zip", "a_triplane.zip"}
    assert (np.asarray(Image.open(io.BytesIO(files["a_image.png"])))[-1, 0] == 24).all()  # label
    for name, body in files.items():
        path = tmp_path / name
        path.write_bytes(body)
        if path.suffix == ".zip":
            zipfile.ZipFile(path).extractall(tmp_path)
            (path,) = tmp_path.glob(f"{path.stem}.[gs]*[bs]")
        verdict = verify(path)
        assert verdict.state == "untrusted", name
        assert verdict.ingredients == [
            f"inputTo photograph sha256:{hashlib.sha256(content).hexdigest()}"
        ]
        assert verdict.origin["student"]["sha256"] == sha256_of_file(
            student_file("bundled/heads_tiny")
        )
        alter(path)
        assert verify(path).state == "broken", name
