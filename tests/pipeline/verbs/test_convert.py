"""`trilift convert` writes a whole teacher folder, or nothing."""

import importlib.util
import json
import pickle
from pathlib import Path

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.verbs import convert
from teachers.checkpoint import load_teacher
from teachers.conversion import import_pickle
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.rendering.camera import Camera

FILES = {
    "card.md",
    "config.json",
    "generator.safetensors",
    "passport.json",
    "provenance.json",
    "sheet.png",
}


def official_format():
    """The writer of official-format pickles, which lives with the tests of the reader."""
    path = Path(__file__).parents[2] / "teachers" / "eg3d" / "official_format.py"
    spec = importlib.util.spec_from_file_location("official_format", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A small official-format pickle with random weights."""
    torch.manual_seed(0)
    sizes = {
        "z_dim": 8,
        "w_dim": 16,
        "plane_resolution": 16,
        "plane_channels": 4,
        "channel_base": 64,
        "channel_max": 8,
    }
    rendering = {
        "depth_samples": 6,
        "importance_samples": 6,
        "render_resolution": 8,
        "image_resolution": 128,
        "super_resolution": "2X",
    }
    official = official_format()
    weights = official.official_weights(Generator(EG3DConfiguration(**sizes, **rendering)))
    module = "SuperresolutionHybrid2X"
    settings = official.published_settings(
        depth_resolution=6,
        depth_resolution_importance=6,
        superresolution_module=f"training.{module}",
    )
    init = {"channel_base": 64, "channel_max": 8, "img_resolution": 128, "sr_num_fp16_res": 4}
    content = official.official_snapshot(
        weights,
        init_kwargs=init,
        rendering_kwargs=settings,
        resolution=8,
        superresolution_class=module,
    )
    path = tmp_path_factory.mktemp("official") / "small.pkl"
    path.write_bytes(official.official_pickle(content))
    return path


def run(snapshot, output, *overrides):
    convert.main(compose("convert", f"checkpoint={snapshot}", f"output={output}", *overrides))


def test_the_folder_is_complete_and_draws_what_the_pickle_draws(snapshot, tmp_path):
    run(snapshot, tmp_path / "teacher", "sheet_identities=1", "sr_latent=teacher_w")
    assert {path.name for path in (tmp_path / "teacher").iterdir()} == FILES
    from_folder, from_pickle = (
        load_teacher(tmp_path / "teacher"),
        import_pickle(snapshot, sr_latent="teacher_w").teacher,
    )
    assert from_folder.passport == from_pickle.passport
    camera = Camera.orbit(torch.tensor([0.3]), torch.tensor([0.0]))
    images = []
    with torch.inference_mode():
        for teacher in (from_folder, from_pickle):
            ws = teacher.map_latents(torch.ones(1, 8))
            images.append(teacher.render(teacher.synthesize(ws), camera, ws=ws).image)
    assert torch.equal(*images)
    assert "non-commercial" in (tmp_path / "teacher" / "card.md").read_text()
    assert (
        json.loads((tmp_path / "teacher" / "provenance.json").read_text())["rendering_kwargs"][
            "ray_start"
        ]
        == 2.25
    )


def test_a_student_can_draw_without_ws_by_default(snapshot, tmp_path):
    run(snapshot, tmp_path / "teacher", "sheet_identities=0")
    teacher = load_teacher(tmp_path / "teacher")
    assert teacher.passport.sr_latent == "w_mean"
    triplane = teacher.synthesize(teacher.mean_latent())
    zero = torch.zeros(1)
    assert teacher.render(triplane, Camera.orbit(zero, zero)).image.shape == (1, 3, 128, 128)


def test_a_folder_is_replaced_only_with_overwrite(snapshot, tmp_path):
    output = tmp_path / "teacher"
    run(snapshot, output, "sheet_identities=0")
    (output / "note").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=true"):
        run(snapshot, output, "sheet_identities=0")
    assert (output / "note").exists()
    run(snapshot, output, "sheet_identities=0", "overwrite=true")
    assert not (output / "note").exists()


def test_a_folder_that_is_no_teacher_is_never_replaced(snapshot, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("")
    with pytest.raises(FileExistsError, match="not a teacher folder"):
        run(snapshot, tmp_path / "thesis", "overwrite=true")
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_a_failure_in_the_middle_leaves_the_old_folder_and_no_rest(snapshot, tmp_path, monkeypatch):
    output = tmp_path / "teacher"
    run(snapshot, output, "sheet_identities=0")
    before = (output / "generator.safetensors").read_bytes()

    def disk_full(path, image):
        raise OSError("no space left on device")

    monkeypatch.setattr(convert, "write_png", disk_full)
    with pytest.raises(OSError, match="no space"):
        run(snapshot, output, "sheet_identities=1", "overwrite=true")
    assert (output / "generator.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["teacher"]


def test_a_refused_pickle_is_one_line_and_status_2_and_runs_nothing(tmp_path, fork_server):
    class Payload:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",)

    (tmp_path / "hostile.pkl").write_bytes(pickle.dumps({"G_ema": Payload()}))
    (tmp_path / "said").mkdir()
    arguments = (f"checkpoint={tmp_path / 'hostile.pkl'}", f"output={tmp_path / 'out'}")
    process = fork_server.start("convert", *arguments, output=tmp_path / "said" / "said")
    assert fork_server.wait(process) == 2
    said = (tmp_path / "said" / "said").read_text()
    assert len(said.strip().splitlines()) == 1
    assert "builtins.exec" in said
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.pkl", "said"}
