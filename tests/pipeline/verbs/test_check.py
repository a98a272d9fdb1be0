"""`trilift check` prints what a teacher is and fails when it computes something else than its
reference.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from pipeline.build.configuration import compose
from pipeline.verbs import check
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.eg3d.teacher import EG3DTeacher, passport_of, save_eg3d
from teachers.toy import ToyTeacher

REPOSITORY = Path(__file__).parents[3]
GOLDEN = REPOSITORY / "tests" / "golden" / "eg3d_small128"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The golden's generator as a teacher folder."""
    config = EG3DConfiguration.from_dict(json.loads((GOLDEN / "config.json").read_text()))
    generator = Generator(config)
    generator.load_state_dict(load_file(GOLDEN / "generator.safetensors"), strict=False)
    path = tmp_path_factory.mktemp("teachers") / "small"
    save_eg3d(
        path,
        EG3DTeacher(
            generator, passport_of(config, name="small", source_hash="0" * 64, licence="none")
        ),
    )
    return path


@pytest.fixture
def reference(tmp_path):
    """Writes the golden's renderer cases as an .npz, after changes, and returns its path."""

    def write(**changes):
        np.savez(
            tmp_path / "reference.npz",
            **{**load_arrays(GOLDEN / "renderer.safetensors"), **changes},
        )
        return tmp_path / "reference.npz"

    return write


def run(folder, reference=None):
    check.main(
        compose("check", f"checkpoint={folder}", *([f"reference={reference}"] if reference else []))
    )


def test_without_a_reference_the_passport_is_shown(folder, capsys):
    run(folder)
    assert json.loads(capsys.readouterr().out)["plane_axes"] == ["xy", "xz", "zx"]


def test_a_teacher_that_agrees_with_its_reference_passes(folder, reference, capsys):
    run(folder, reference())
    out = capsys.readouterr().out
    assert "PASSED" in out
    assert "image                       not in the reference" in out


def test_a_teacher_that_does_not_fails_with_the_quantity_named(folder, reference, capsys):
    wrong = load_arrays(GOLDEN / "renderer.safetensors")["tiny_disp_features"] + np.float32(1e-3)
    with pytest.raises(SystemExit) as caught:
        run(folder, reference(tiny_disp_features=wrong))
    assert caught.value.code == 1
    assert "FAILED: tiny_disp_features" in capsys.readouterr().out


def test_the_exit_status_reaches_the_shell(folder, reference, fork_server, tmp_path):
    path = reference(tiny_wtot=np.zeros((2, 64, 1), np.float32))
    arguments = (f"checkpoint={folder}", f"reference={path}")
    process = fork_server.start("check", *arguments, output=tmp_path / "said")
    assert fork_server.wait(process) == 1
    assert "BEYOND THE TOLERANCE" in (tmp_path / "said").read_text()


def test_another_kind_of_teacher_has_no_reference(folder, reference, monkeypatch):
    monkeypatch.setattr(check, "load_teacher", lambda path: ToyTeacher())
    with pytest.raises(ValueError, match="only EG3D teachers"):
        run(folder, reference())


def test_a_pickle_is_checked_as_the_original_with_the_teachers_own_latent(
    monkeypatch, folder, tmp_path
):
    given = {}
    monkeypatch.setattr(
        check, "import_pickle", lambda path, **keywords: given.update(keywords) or Imported(folder)
    )
    (tmp_path / "network.pkl").write_bytes(b"")
    check.read_teacher(tmp_path / "network.pkl")
    assert given == {"sr_latent": "teacher_w"}


class Imported:
    """What an import returns, as far as a check reads it."""

    warnings = ()

    def __init__(self, folder):
        self.teacher = check.load_teacher(folder)
