"""Materials of skin and eyes, on one head without light."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("anny")

from pipeline.worlds.heads import creases, eyes, skin
from pipeline.worlds.heads.complexion import tone_albedo
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.expressions import assembled
from pipeline.worlds.heads.factors import BeardKind, PaintKind
from pipeline.worlds.heads.light import draw_light
from pipeline.worlds.heads.material import Surface
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.rows import direction
from pipeline.worlds.heads.shape import head_shape
from pipeline.worlds.heads.template import template

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
CALM = assembled({}, 0.0, (0.0, 0.0), (0.0, 0.0, 0.0))
BROW, ABOVE_BROW = (0.30, 7.474), (0.30, 7.60)
CHEEK, CHIN, LOWER_LIP, LID = (0.42, 6.95), (0.0, 6.33), (0.0, 6.55), (0.30, 7.36)


def surface_at(points, footprint=0.005, masks=None):
    """Samples on the template's face that look along +z."""
    points = np.asarray(points, np.float32)
    forward = np.tile(np.array([0, 0, 1], np.float32), (len(points), 1))
    masks = np.zeros((len(points), 4), np.float32) if masks is None else masks
    return Surface(points, forward, forward, points, masks, np.full(len(points), footprint, "f4"))


def patch(place, size=0.02, footprint=0.005, mask=None):
    """Samples about a place (x, y) of the template's face."""
    shape = template()
    rows = np.unique(shape.triangles[shape.part == Part.SKIN])
    base = shape.base[rows]
    nearest = (np.hypot(*(base[:, :2] - place).T) - 0.2 * base[:, 2]).argmin()
    steps = np.linspace(-size, size, 16)
    x, y = np.meshgrid(place[0] + steps, place[1] + steps)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, base[nearest, 2])], 1)
    masks = np.zeros((x.size, 4), np.float32)
    if mask is not None:
        masks[:, mask] = 1
    return surface_at(points, footprint, masks)


def plain_person(**changes):
    """Someone with nothing on the skin."""
    who = draw_identity(3)
    bare = replace(
        who.skin, tone=2.0, albedo=tone_albedo(2.0), freckles=0.0, moles=0.0, spots=0.0,
        wrinkles=0.0, stubble=0.0, lipstick=0.0, eyeshadow=0.0, liner=0.0, blush=0.0,
        foundation=0.0, redness=0.4, paint=PaintKind.NONE, brow=np.full(3, 0.02, np.float32),
        brow_density=0.9, whiskers=np.full(3, 0.02, np.float32),
    )  # fmt: skip
    hair = replace(who.hair, beard=BeardKind.NONE)
    physique = replace(who.physique, femininity=0.1)
    return replace(who, skin=replace(bare, **changes), hair=hair, physique=physique)


def light_of(surface, who, expression=CALM):
    return skin.skin_material(surface, who, expression).albedo @ LUMINANCE


@pytest.mark.parametrize("tone", range(10))
def test_cheeks_and_foreheads_have_the_tone_on_average(tone):
    who = plain_person(tone=float(tone), albedo=tone_albedo(float(tone)))
    places = [patch(CHEEK, 0.1), patch((0.0, 7.75), 0.2)]
    albedo = np.mean([skin.skin_material(p, who, CALM).albedo.mean(0) for p in places], 0)
    np.testing.assert_allclose(albedo, tone_albedo(float(tone)), rtol=0.15)


def test_cheeks_are_redder_than_the_neck_and_more_so_with_redness():
    def redness(place, strength):
        albedo = skin.skin_material(patch(place), plain_person(redness=strength), CALM).albedo
        return (albedo[:, 0] / albedo[:, 1]).mean()

    assert redness(CHEEK, 0.9) > 1.04 * redness((0.0, 5.9), 0.9)
    assert redness(CHEEK, 0.9) > 1.1 * redness(CHEEK, 0.1)


def test_brows_are_dark_strokes_within_their_landmarks():
    who = plain_person()
    brow, above = light_of(patch(BROW), who), light_of(patch(ABOVE_BROW), who)
    assert brow.mean() < 0.6 * above.mean()
    assert brow.std() > 3 * above.std()


def test_pores_and_freckles_too_fine_for_the_samples_fade_to_their_mean():
    who = plain_person(freckles=0.8)
    nose = (0.0, 7.05)
    fine, coarse = (
        skin.skin_material(patch(nose, 0.1, footprint), who, CALM) for footprint in (0.003, 0.05)
    )
    assert np.abs(fine.normal[:, :2]).max() > 0.01
    np.testing.assert_allclose(coarse.normal[:, :2], 0, atol=2e-3)
    mean = [(material.albedo @ LUMINANCE).mean() for material in (fine, coarse)]
    assert abs(mean[0] - mean[1]) < 0.05 * mean[1]


@pytest.mark.parametrize(
    "place, groups", [((0.0, 7.75), "FOREHEAD"), ((0.54, 7.30), "CROW"), ((0.26, 6.79), "NOSE")]
)
def test_age_deepens_wrinkles_and_expressions_do_for_the_young(place, groups):
    actions = {"browInnerUp": 0.9, "cheekSquintLeft": 0.9, "cheekSquintRight": 0.9,
               "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}  # fmt: skip
    moving = assembled(actions, 0.0, (0.0, 0.0), (0.0, 0.0, 0.0))

    def bumpiness(wrinkles, expression):
        normal = skin.skin_material(
            patch(place, 0.12, 0.012), plain_person(wrinkles=wrinkles), expression
        ).normal
        return np.hypot(normal[:, 0], normal[:, 1]).mean()

    young, old = bumpiness(0.0, CALM), bumpiness(1.0, CALM)
    assert old > 2 * young
    assert bumpiness(0.0, moving) > young
    assert creases.crease_weights(plain_person(wrinkles=1.0).skin, CALM).min() > 0


def test_stubble_darkens_the_chin_of_men_and_not_their_cheekbones_nor_women():
    shaved, unshaven = plain_person(), plain_person(stubble=0.9)
    woman = replace(unshaven, physique=replace(unshaven.physique, femininity=0.9))
    assert light_of(patch(CHIN), unshaven).mean() < 0.7 * light_of(patch(CHIN), shaved).mean()
    for who, place in ((unshaven, (0.40, 7.10)), (woman, CHIN)):
        np.testing.assert_allclose(light_of(patch(place), who), light_of(patch(place), shaved))


def test_lips_follow_their_mask_and_lipstick_covers_only_them():
    red = np.array([0.4, 0.02, 0.03], np.float32)
    bare, painted = plain_person(), plain_person(lipstick=1.0, lipstick_color=red)
    lip = patch(LOWER_LIP, mask=skin.LIPS)
    albedo = skin.skin_material(lip, painted, CALM).albedo.mean(0)
    np.testing.assert_allclose(albedo / albedo[0], red / red[0], atol=0.08)
    at_lip = skin.skin_material(lip, bare, CALM).albedo
    around = skin.skin_material(patch(LOWER_LIP), bare, CALM).albedo
    assert (at_lip[:, 0] / at_lip[:, 1]).mean() > 1.2 * (around[:, 0] / around[:, 1]).mean()
    np.testing.assert_array_equal(
        skin.skin_material(patch(CHEEK), bare, CALM).albedo,
        skin.skin_material(patch(CHEEK), painted, CALM).albedo,
    )


def test_eye_shadow_lies_on_the_lid():
    blue = np.array([0.05, 0.08, 0.3], np.float32)
    made_up = plain_person(eyeshadow=0.9, eyeshadow_color=blue)
    lid = skin.skin_material(patch(LID), made_up, CALM).albedo
    bare = skin.skin_material(patch(LID), plain_person(), CALM).albedo
    assert (lid[:, 2] / lid[:, 0]).mean() > 1.3 * (bare[:, 2] / bare[:, 0]).mean()


def test_materials_are_deterministic_finite_and_in_range():
    random = np.random.default_rng(0)
    shape = template()
    points = shape.base[random.choice(np.flatnonzero(shape.base[:, 1] > 5.5), 4000)]
    masks = random.uniform(0, 1, (4000, 4)).astype(np.float32)
    for seed in range(4):
        who = draw_identity(seed)
        one, two = (
            skin.skin_material(surface_at(points, masks=masks), who, CALM) for _ in range(2)
        )
        for name in ("albedo", "normal", "roughness", "specular", "subsurface"):
            value = getattr(one, name)
            np.testing.assert_array_equal(value, getattr(two, name))
            assert value.dtype == np.float32 and np.isfinite(value).all()
        assert one.albedo.min() > 0 and one.albedo.max() < 1
        assert one.roughness.min() > 0.1 and one.roughness.max() < 0.9
        np.testing.assert_allclose(np.linalg.norm(one.normal, axis=1), 1, atol=1e-4)


def eye_surface(shape, side, resolution=96):
    """A frontal view of an eyeball alone, as samples and the grid's places in its radii."""
    eye = shape.eyes[side]
    steps = (np.arange(resolution) + 0.5) / resolution * 1.8 - 0.9
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    keep = x**2 + y**2 < 0.8
    x, y = x[keep], y[keep]
    outward = np.stack([x, y, np.sqrt(1 - x**2 - y**2)], 1).astype(np.float32)
    view = np.tile(np.array([0, 0, 1], np.float32), (len(x), 1))
    footprint = np.full(len(x), 4 * eye.radius * 1.8 / resolution, np.float32)
    masks = np.zeros((len(x), 4), np.float32)
    position = (eye.center + outward * eye.radius).astype(np.float32)
    return Surface(position, outward, view, outward, masks, footprint), np.stack([x, y], 1)


@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.2, 0.0), (-0.15, 0.1)])
def test_the_pupil_is_centred_along_the_gaze_and_the_iris_has_its_colour(gaze):
    who = draw_identity(5)
    blue = np.array([0.10, 0.16, 0.24], np.float32)
    who = replace(who, eyes=replace(who.eyes, iris=blue, iris_ring=blue, iris_rim=blue * 0.3))
    shape = head_shape(who.physique, assembled({}, 0.0, gaze, (0.0, 0.0, 0.0)))
    for side in (0, 1):
        surface, place = eye_surface(shape, side)
        albedo = eyes.eye_material(surface, shape, who).albedo
        pupil = place[albedo.max(1) < 0.01]
        expected = eyes.IRIS_PLANE * shape.eyes[side].gaze[:2]
        assert np.abs(pupil.mean(0) - expected).max() < 0.06
        middle = shape.eyes[side].gaze[:2]
        distance = np.linalg.norm(place - middle, axis=1) / who.eyes.iris_size
        iris = albedo[(distance > 0.55) & (distance < 0.75)]
        white = albedo[(distance > 1.3) & (distance < 1.5)]
        assert iris[:, 2].mean() > 1.5 * iris[:, 0].mean()
        assert white.mean() > 1.8 * iris.mean()


def test_lids_shade_the_white_and_the_corners_are_pink():
    who = draw_identity(5)
    shape = head_shape(who.physique, CALM)
    surface, place = eye_surface(shape, 1)
    material = eyes.eye_material(surface, shape, who)
    ring = shape.landmarks[42:48]
    y = surface.position[:, 1]
    middle = np.abs(place[:, 0]) > 0.52
    top, bottom = ring[[1, 2], 1].mean(), ring[[4, 5], 1].mean()
    under = material.albedo[middle & (y > top - 0.15 * (top - bottom)) & (y < top)]
    open_ = material.albedo[middle & (y > bottom) & (y < bottom + 0.5 * (top - bottom))]
    assert under.mean() < 0.85 * open_.mean()
    assert open_.max() < 0.6


@pytest.mark.parametrize("yaw, pitch", [(0.0, 0.4), (0.6, 0.3), (2.8, -0.4)])
def test_eyes_mirror_a_window_on_their_cornea_wherever_the_key_light_is(yaw, pitch):
    who = draw_identity(5)
    shape = head_shape(who.physique, CALM)
    light = draw_light(3)
    key = replace(light.lobes[0], direction=direction(yaw, pitch))
    light = replace(light, lobes=(key, *light.lobes[1:]))
    for side in (0, 1):
        surface, place = eye_surface(shape, side)
        material = eyes.eye_material(surface, shape, who)
        mirrored = eyes.catch_lights(material, surface, light, np.ones(3, np.float32))[:, 0]
        from_gaze = np.linalg.norm(place - shape.eyes[side].gaze[:2], axis=1)
        on_cornea = from_gaze < who.eyes.iris_size
        assert mirrored[on_cornea].max() > 0.08
        assert 0.005 < (mirrored > 0.05)[on_cornea].mean() < 0.2
        assert mirrored[~on_cornea].max() < 0.5 * mirrored.max()
