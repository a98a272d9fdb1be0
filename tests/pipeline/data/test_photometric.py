"""Inputs are altered as photographs are; everything else of a batch stays."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pipeline.build.configuration import compose, instantiate
from pipeline.build.sampler import build_source
from pipeline.data.photometric import Photometric, PhotometricInputs, compressed, resampled
from pipeline.pictures import to_uint8
from pipeline.sampling.distributions import Fixed, Normal, Uniform
from pipeline.sampling.random_streams import stream
from pipeline.sampling.source import BatchSource
from teachers.toy import ToyTeacher
from tests.builders import level_sampler

NEUTRAL = {
    "exposure_stops": 0.0, "warmth_stops": 0.0, "tint_stops": 0.0,
    "blur": 0.0, "noise": 0.0, "scale": 1.0, "jpeg_quality": 100.0,
}  # fmt: skip
NUMBERS = [3, 4, 1_000_000_007]


def photometric(chance: float = 1.0, **changes: float) -> Photometric:
    values = {**NEUTRAL, **changes}
    return Photometric(chance=chance, **{name: Fixed(value=v) for name, v in values.items()})


@pytest.fixture(scope="module")
def face() -> torch.Tensor:
    image = Image.fromarray(data.astronaut()[:256, 96:352]).resize((64, 64), Image.Resampling.BOX)
    return torch.tensor(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.fixture(scope="module")
def configured() -> Photometric:
    return instantiate(compose("distill", "photometric=photographs").photometric)


def test_an_input_depends_on_seed_and_number_alone_and_targets_stay(configured):
    source = level_sampler(ToyTeacher(resolution=16))
    altered = PhotometricInputs(source, dataclasses.replace(configured, chance=1.0), seed=5)
    assert isinstance(altered, BatchSource)
    plain, together = source(NUMBERS), altered(NUMBERS)
    for row, number in enumerate(NUMBERS):
        assert torch.equal(together.image[row], altered([number]).image[0])
    assert not torch.equal(together.image, PhotometricInputs(source, configured, 6)(NUMBERS).image)
    assert (together.image - plain.image).abs().amax((1, 2, 3)).min() > 0.02
    assert together.image.abs().max() <= 1
    for view in ("reference", "novel"):
        before, after = getattr(plain, view).rendering, getattr(together, view).rendering
        assert torch.equal(before.image, after.image)
    assert torch.equal(plain.triplane.planes, together.triplane.planes)


def test_each_change_has_its_chance(configured, face):
    counts = [len(configured.changes(np.random.default_rng(n))) for n in range(400)]
    assert 2.2 < np.mean(counts) < 2.6  # six changes, each with probability 0.4
    assert torch.equal(dataclasses.replace(configured, chance=0.0)(face, 0, 1), face)


def test_another_chance_keeps_the_strengths(configured, face):
    often, rarely = (dataclasses.replace(configured, chance=chance) for chance in (1.0, 0.5))
    everything = next(
        n for n in range(1000) if len(rarely.changes(stream(0, n, "photometric"))) == 6
    )
    assert torch.equal(rarely(face, 0, everything), often(face, 0, everything))


@pytest.mark.parametrize(
    ("change", "measured"),
    [
        ({"exposure_stops": 0.5}, lambda old, new: new.mean() > old.mean() + 0.1),
        ({"warmth_stops": 0.5}, lambda old, new: (new - old)[:, 0].mean() > 0.03
         and (new - old)[:, 2].mean() < -0.03),
        ({"tint_stops": 0.5}, lambda old, new: (new - old)[:, 1].mean()
         > (new - old)[:, 0].mean() + 0.05),
        ({"blur": 0.02}, lambda old, new: edges(new) < 0.75 * edges(old)),
        ({"noise": 0.1}, lambda old, new: 0.07 < (new - old).std() < 0.1),
        ({"scale": 0.5}, lambda old, new: edges(new) < 0.8 * edges(old)),
        ({"jpeg_quality": 25.0}, lambda old, new: 0.02 < (new - old).std() < 0.2),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_each_change_does_what_its_name_says(change, measured, face):
    assert measured(face, photometric(**change)(face, 0, 0))


def test_files_are_compressed_as_pillow_compresses_them(face):
    with io.BytesIO() as stream:
        Image.fromarray(to_uint8(face[0])).save(stream, "JPEG", quality=50)
        decoded = np.array(Image.open(stream))
    theirs = torch.tensor(decoded).permute(2, 0, 1)[None] / 127.5 - 1
    ours = compressed(face, 50.0)
    assert (ours - theirs).std() < 0.25 * (theirs - face).std()


def test_a_full_size_changes_nothing(face):
    assert (resampled(face, 1.0) - face).abs().max() < 1e-5


def test_degradations_are_those_of_photographs_without_their_tones(configured, face):
    degrading = instantiate(compose("distill", "photometric=degradations").photometric)
    tones = ("exposure_stops", "warmth_stops", "tint_stops")
    for field in dataclasses.fields(Photometric):
        ours, theirs = getattr(degrading, field.name), getattr(configured, field.name)
        if field.name in tones:
            assert ours.deviation == ours.mean == 0 < theirs.deviation
        else:
            assert (ours if field.name == "chance" else vars(ours)) == (
                theirs if field.name == "chance" else vars(theirs)
            )
    certain = dataclasses.replace(degrading, chance=1.0)
    (exposure, balance, *_) = certain.changes(stream(1, 2, "photometric"))
    assert (balance(exposure(face)) - face).abs().max() < 1e-5


def test_a_chance_above_one_is_refused():
    with pytest.raises(ValueError, match=r"chance is 1\.5: give a probability"):
        photometric(1.5)


def edges(image: torch.Tensor) -> torch.Tensor:
    return image.diff(dim=-1).abs().mean()


def test_the_bundled_recipes_alter_training_inputs_and_no_held_out_ones():
    config = compose("distill", "experiment=bundled_student_heads")
    sampler = level_sampler(ToyTeacher(resolution=16))
    source = build_source(config, sampler, identities=0)
    assert isinstance(source, PhotometricInputs) and source.source is sampler
    assert build_source(compose("distill"), sampler, identities=0) is sampler
    for settings in (["experiment=lp3d_ffhq"], ["experiment=bundled_student", "photometric=none"]):
        assert "photometric" not in compose("distill", *settings)


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        ({"jpeg_quality": 0.0}, "1 to 100"),
        ({"jpeg_quality": 101.0}, "1 to 100"),
        ({"scale": 1.5}, "0.001 to 1"),
        ({"scale": 0.0}, "0.001 to 1"),
        ({"noise": -0.1}, "0 to inf"),
        ({"blur": -0.1}, "0 to 1"),
    ],
)
def test_a_change_that_nothing_can_do_is_refused_before_it_is_drawn(change, limits):
    (name,) = change
    with pytest.raises(ValueError, match=rf"photometric\.{name} reaches from .* give {limits}"):
        photometric(**change)


def test_the_range_of_a_distribution_holds_what_it_draws():
    random = stream(0, 0, "range")
    for drawn in (
        Uniform(low=-1, high=3),
        Normal(mean=2, deviation=0.5, limit=1.5),
        Fixed(value=4),
    ):
        low, high = drawn.range
        values = [drawn.draw(random) for _ in range(500)]
        assert low <= min(values) <= low + 0.1 and high - 0.1 <= max(values) <= high
