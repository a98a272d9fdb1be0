"""Planes → levels → packets of a video codec → levels → planes."""

import json
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from pipeline.streaming.codecs import CodecSettings, PlaneDecoder, PlaneEncoder
from pipeline.streaming.normalisation import LEVELS, MARGIN, Normalisation, calibrate, gram
from pipeline.streaming.tiling import Grid
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

from .conftest import moving_planes

GRID = Grid(24, 16)
CODE = Normalisation.affine((120.0,) * 24, (0.0,) * 24)


def pictures(count: int) -> list[np.ndarray]:
    return [GRID.picture(CODE.levels(one)) for one in moving_planes(8, 16, count)]


def through(settings: CodecSettings, shown: list[np.ndarray], keys: tuple[int, ...] = ()):
    encoder, decoder = PlaneEncoder(GRID, settings), PlaneDecoder(GRID, settings.codec)
    coded = [encoder.encode(one, key=number in keys) for number, one in enumerate(shown)]
    return coded, [decoder.decode(one.data) for one in coded]


def test_each_channel_keeps_its_place_in_the_picture():
    levels = np.arange(24 * 16 * 16, dtype=np.uint16).reshape(24, 16, 16) % 1024
    picture = GRID.picture(levels)
    row, column = divmod(17, GRID.columns)
    tile = picture[row * 16 : (row + 1) * 16, column * 16 : (column + 1) * 16]
    assert (tile == levels[17]).all()
    assert (GRID.levels(picture) == levels).all()


def test_the_grid_of_96_tiles_of_256_is_one_that_every_codec_takes():
    grid = Grid(96, 256)
    assert (grid.width, grid.height) == (4096, 1536)
    with pytest.raises(ValueError, match="no codec here"):
        Grid(97, 1024)


def test_levels_return_within_half_a_level_and_clip_outside():
    gain = (10.0, 200.0, 50.0)
    code = Normalisation.affine(gain, (0.5, -1.0, 0.0))
    planes = torch.rand(3, 1, 8, 8) * 2 - 1
    error = (code.planes(code.levels(planes)) - planes).abs().amax((1, 2, 3))
    assert (error <= 0.5001 / torch.tensor(gain)).all()
    assert code.levels(planes * 1e6).max() == 1023
    assert code.levels(planes * torch.nan).max() == 512


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_one_picture_gives_one_packet_and_one_packet_a_picture(codec):
    shown = pictures(6)
    coded, seen = through(CodecSettings(codec=codec, quality=8), shown, keys=(4,))
    assert [one.is_key for one in coded] == [True, False, False, False, True, False]
    errors = [np.abs(one.astype(int) - two).mean() for one, two in zip(seen, shown, strict=True)]
    assert max(errors) < 8


def test_full_range_survives():
    flat = np.full((GRID.height, GRID.width), 3, np.uint16)
    flat[:, GRID.width // 2 :] = 1020
    _, (seen,) = through(CodecSettings(quality=1), [flat])
    assert abs(int(seen[4, 4]) - 3) <= 2
    assert abs(int(seen[4, -4]) - 1020) <= 2


def test_recordings_lose_nothing():
    shown = pictures(3)
    encoder = PlaneEncoder(GRID, CodecSettings(codec="ffv1"))
    decoder = PlaneDecoder(GRID, "ffv1", encoder.extradata())
    for picture in shown:
        assert (decoder.decode(encoder.encode(picture).data) == picture).all()


def test_no_frame_takes_more_than_the_buffer_holds():
    noise = np.random.default_rng(0).integers(0, 1024, (30, GRID.height, GRID.width), np.uint16)
    settings = CodecSettings(quality=1, kilobits_per_second=400, buffer_seconds=0.25)
    coded, _ = through(settings, list(noise))
    sizes = [len(one.data) for one in coded]
    assert sum(sizes) * 8 / 1000 < 400 * 1.35
    free = [len(one.data) for one in through(CodecSettings(quality=1), list(noise))[0]]
    assert sum(free) > 2 * sum(sizes)


def test_every_texel_is_coded_anew_within_the_refresh_without_another_key_frame():
    still = pictures(1) * 40
    settings = CodecSettings(quality=8, frames_per_second=10, refresh_seconds=1)
    coded, _ = through(settings, still)
    sizes = np.array([len(one.data) for one in coded])
    assert [one.is_key for one in coded[1:]].count(True) == 0
    # a still picture costs nothing but the column that is refreshed
    assert sizes[10:].max() < sizes[0] / 2
    assert sizes[10:].sum() > sizes[0]


def test_a_lost_packet_is_healed_by_one_refresh_to_the_last_bit():
    settings = CodecSettings(quality=8, frames_per_second=10, refresh_seconds=2)
    coded, whole = through(settings, pictures(60))
    for lost in (21, 24, 33):
        decoder = PlaneDecoder(GRID, "h264")
        seen = [
            whole[number] if number == lost else decoder.decode(one.data)
            for number, one in enumerate(coded)
        ]
        spoilt = [n for n in range(60) if seen[n] is None or (seen[n] != whole[n]).any()]
        assert lost + 1 in spoilt and spoilt[-1] <= lost + 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quality": 99}, r"0 .best. to"),
        ({"kilobits_per_second": 3}, "50 to"),
        ({"frames_per_second": 0}, "1 to 240"),
        ({"preset": "slowest"}, "refuses"),
    ],
)
def test_settings_that_no_codec_takes_get_one_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        PlaneEncoder(GRID, CodecSettings(**settings))


def test_a_stream_of_another_size_is_refused_before_its_picture_exists():
    large = Grid(24, 64)
    picture = np.zeros((large.height, large.width), np.uint16)
    data = PlaneEncoder(large, CodecSettings()).encode(picture).data
    with pytest.raises(ValueError, match=r"damaged|expected"):
        PlaneDecoder(GRID, "h264").decode(data)


def test_an_empty_packet_does_not_end_the_stream():
    (coded,), _ = through(CodecSettings(), pictures(1))
    decoder = PlaneDecoder(GRID, "h264")
    with pytest.raises(ValueError, match="empty"):
        decoder.decode(b"")
    assert decoder.decode(coded.data) is not None


def test_the_channels_of_a_block_are_mixed_and_unmixed():
    block = ((0.02, 0.01), (0.0, 0.005))
    code = Normalisation((1.0, 2.0) * 3, (block,) * 3)
    levels = np.full((6, 4, 4), 512, np.uint16)
    levels[3] += 100  # the second level of the second plane
    planes = code.planes(levels)
    assert planes[1, :, 0, 0].tolist() == pytest.approx([1.0 + 1.0, 2.0 + 0.5])
    assert planes[0, :, 0, 0].tolist() == [1.0, 2.0]
    assert (code.levels(planes) == levels).all()


def test_a_map_that_was_used_goes_to_another_process_as_numbers():
    code = Normalisation.affine((10.0,) * 3, (0.0,) * 3)
    code.planes(code.levels(torch.rand(3, 1, 8, 8)))
    sent = ForkingPickler.dumps(code)
    assert b"torch" not in bytes(sent)
    assert pickle.loads(sent) == code


def test_a_map_of_format_1_is_read_as_gains():
    record = {"format": 1, "version": 3, "gain": [10, 20, 40], "centre": [0, 1, 2]}
    code = Normalisation.of(record)
    assert code == Normalisation((0.0, 1.0, 2.0), (((0.1,),), ((0.05,),), ((0.025,),)), 3)
    assert Normalisation.of(json.loads(json.dumps(code.record()))) == code


@pytest.mark.parametrize(
    "basis",
    [
        (((1.0, 2.0), (2.0, 4.0)),) * 3,  # no inverse
        (((1.0, 0.0),),) * 3,
        (((1.0, 0.0), (0.0, float("inf"))),) * 3,
        (((1.0, 0.0), (0.0, 1.0)),) * 2,
        (),
    ],
)
def test_blocks_that_cannot_be_undone_are_refused(basis):
    with pytest.raises(ValueError, match=r"can't be inverted|square blocks"):
        Normalisation((0.0,) * 6, basis)


def test_what_nobody_sees_takes_few_levels_and_errors_are_seen_alike(lifter):
    planes = lifter.lift(torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)).planes
    blind = lifter.renderer.decoder.net[0].weight
    kept = blind.detach().clone()
    try:
        blind.data[:, 5] = 0  # nobody sees channel 5
        code = calibrate(lifter, planes)
        slopes = gram(lifter, planes)
    finally:
        blind.data.copy_(kept)
    inverse = torch.tensor(code.basis).inverse()
    # levels that a deviation of channel 5 moves, beside those of the others
    moved = inverse.norm(dim=1)
    assert (moved[:, 5] < 1e-2 * moved.median(dim=1).values).all()
    basis = torch.tensor(code.basis).double()
    seen = (basis.mT @ slopes @ basis).diagonal(dim1=1, dim2=2)
    reach = torch.tensor(np.ptp(code.levels(planes[0]).astype(int), (1, 2))).view(seen.shape)
    widest = reach > 0.99 * LEVELS / MARGIN  # tiles that fill their range are coded coarser
    assert widest.float().mean() < 0.25
    alike = seen[~widest & (seen > 1e-3 * seen.median())]
    assert alike.max() < 1.01 * alike.min()


@torch.no_grad()
def test_a_person_takes_fewer_bits_and_is_seen_better_than_with_gains_alone(lifter, bundled):
    seeds = WorldSeeds.of(Split.TEST, [3])
    picture = (
        PuppetWorld().render(seeds, Camera.orbit(torch.zeros(1), torch.zeros(1)), 64).image(1.0)
    )
    planes = lifter.lift(picture).planes
    channels = planes.flatten(0, 2).flatten(1)
    low, high = channels.amin(1), channels.amax(1)
    seen = gram(lifter, planes).diagonal(dim1=1, dim2=2).sqrt().flatten().float()
    gain = seen * (512 / ((high - low) * seen).amax())
    gains = Normalisation.affine(gain.tolist(), ((low + high) / 2).tolist())
    camera = lifter.passport.orbit(torch.full((2,), 0.3))
    grid, sizes, errors = Grid(48, 64), [], []
    for code, quality in ((bundled, 14), (bundled, 10), (gains, 14)):
        data = PlaneEncoder(grid, CodecSettings(quality=quality)).encode(
            grid.picture(code.levels(planes[0]))
        )
        decoded = code.planes(grid.levels(PlaneDecoder(grid, "h264").decode(data.data)))
        views = lifter.render(lifter.passport.triplane(torch.stack([planes[0], decoded])), camera)
        errors.append(views.image.diff(dim=0).square().mean().item())
        sizes.append(len(data.data))
    assert sizes[0] < 0.65 * sizes[2]
    assert sizes[1] < 0.9 * sizes[2] and errors[1] < 0.75 * errors[2]


def test_the_bundled_normalisation_clips_next_to_nothing(lifter, bundled):
    image = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    planes = lifter.lift(image).planes[0]
    levels = bundled.levels(planes)
    assert ((levels == 0) | (levels == 1023)).mean() < 1e-3
    assert len(bundled) == 48
