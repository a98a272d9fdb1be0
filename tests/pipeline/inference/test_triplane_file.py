"""A saved identity is the same identity when read, and nothing else is taken for one."""

import pytest
import torch
from safetensors.torch import save_file

from pipeline.inference.triplane_file import read_triplane, save_triplane
from teachers.rendering.triplane import Triplane
from teachers.toy import ToyTeacher

TEACHER = ToyTeacher()


def test_an_identity_survives_the_file(tmp_path):
    triplane = TEACHER.synthesize(TEACHER.map_latents(torch.randn(1, TEACHER.z_dim)))
    save_triplane(tmp_path / "new" / "identity.safetensors", triplane, TEACHER.passport)
    read, passport = read_triplane(tmp_path / "new" / "identity.safetensors")
    assert torch.equal(read.planes, triplane.planes)
    assert (read.axes, read.box_size, passport) == (
        triplane.axes,
        triplane.box_size,
        TEACHER.passport,
    )
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_whoever_may_read_a_new_file_may_read_an_identity(tmp_path):
    (tmp_path / "plain").touch()
    save_triplane(
        tmp_path / "identity.safetensors", Triplane(torch.zeros(1, 3, 4, 8, 8)), TEACHER.passport
    )
    assert (tmp_path / "identity.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_several_identities_do_not_go_into_one_file(tmp_path):
    with pytest.raises(ValueError, match="one identity, got 2"):
        save_triplane(
            tmp_path / "two.safetensors", Triplane(torch.zeros(2, 3, 4, 8, 8)), TEACHER.passport
        )
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path):
    save_file({"planes": torch.zeros(3, 4, 8, 8)}, tmp_path / "weights.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ValueError, match="expected 'trilift triplane 1'"):
        read_triplane(tmp_path / "weights.safetensors")
    for name in ("text.safetensors", "missing.safetensors"):
        with pytest.raises(ValueError, match="can't be read as a triplane"):
            read_triplane(tmp_path / name)
