"""method=fused: a photograph is the student's; frames of a film remember."""

import pytest
import torch

from pipeline.fusion import TrainedFuser
from pipeline.inference.pretrained import student_file
from pipeline.inversion.fused import Fused, fuser_file
from pipeline.inversion.method import FilmMethod, Method, lift_film_by
from pipeline.inversion.models import Models
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from tests.builders import tiny_lifter


@pytest.fixture(scope="module")
def models(toy) -> Models:
    lifter = tiny_lifter(toy).eval()
    return Models(student=lambda: lifter)


@pytest.fixture(scope="module")
def images(models):
    side = int(models.student.encoder.image_size)
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def planes(heads):
    return torch.cat([head.triplane.planes for head in heads])


def test_a_photograph_is_lifted_as_by_the_student(models, images):
    fused, student = Fused(models=models), Student(models=models)
    assert isinstance(fused, Method) and isinstance(fused, FilmMethod)
    lifted = [method.lift(images[:1]).triplane.planes for method in (fused, student)]
    assert torch.equal(*lifted)
    assert "without a trained fuser" in fused.notes[0]


def test_frames_remember_whatever_the_batches_and_each_film_begins_anew(models, images):
    method, cameras = Fused(models=models), [None] * 3
    film = lift_film_by(method)
    whole = planes(film(images, cameras))
    again, parts = lift_film_by(method), []
    for row in range(3):
        parts += again(images[row : row + 1], cameras[:1])
    torch.testing.assert_close(planes(parts), whole)
    alone = planes(Student(models=models).lift_batch(images))
    same = [torch.allclose(one, other, atol=1e-5) for one, other in zip(whole, alone, strict=True)]
    assert same == [True, False, False]
    assert torch.equal(film.last().triplane.planes, whole[2:])
    film.forget()
    assert film.last() is None
    torch.testing.assert_close(planes(film(images[2:], [None])), alone[2:])


def test_what_is_remembered_survives_in_a_file(models, images, tmp_path):
    film, other = Fused(models=models).film(), Fused(models=models).film()
    film.save(tmp_path / "none")
    other.restore(tmp_path / "none")
    assert other.last() is None
    film(images[:2], [None] * 2)
    film.save(tmp_path / "memory")
    other.restore(tmp_path / "memory")
    following = [planes(each(images[2:], [None])) for each in (film, other)]
    assert torch.equal(*following)


def test_a_fuser_of_other_planes_is_refused(models, tiny, tmp_path):
    path = tmp_path / "fuser.safetensors"
    TrainedFuser.untrained(models.student.passport, width=8).save(path)
    assert Fused(models=models, fuser=path).notes == ()
    TrainedFuser.untrained(tiny.passport, channels=4).save(path)
    with pytest.raises(ValueError, match=r"passport|teacher|planes"):
        Fused(models=models, fuser=path)


def test_the_bundled_fuser_is_for_the_bundled_student(models):
    student = Models(student=lambda: Lifter.load(student_file("bundled/puppets_tiny")))
    assert Fused(models=student, fuser="bundled/fusers/puppets").notes == ()
    assert TrainedFuser.load(fuser_file("bundled/fusers/puppets")).step == 200
    with pytest.raises(FileNotFoundError, match=r"no fuser at .*stranger"):
        Fused(models=student, fuser="bundled/fusers/stranger")
    with pytest.raises(ValueError, match=r"passport|teacher|planes"):
        Fused(models=models, fuser="bundled/fusers/puppets")
