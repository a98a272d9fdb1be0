import torch

from pipeline.worlds.draws import FactorDraws
from pipeline.worlds.puppets.distributions import (
    FANTASY_SKIN,
    HAIR_STYLES,
    SKIN_TONES,
    draw_background,
    draw_expression,
    draw_identity,
    draw_light,
    luminance,
)
from pipeline.worlds.puppets.factors import Puppet, pack, unpack, width

MANY = list(range(20_000))


def test_an_identity_is_the_same_whatever_the_batch():
    alone, among_others = draw_identity([77]), draw_identity([3, 77, 12345])
    torch.testing.assert_close(pack(alone)[0], pack(among_others)[1], rtol=0, atol=0)


def test_purposes_and_names_are_independent_streams():
    others = [
        FactorDraws(MANY, "b").uniform("x"),
        FactorDraws(MANY, "a").uniform("y"),
        FactorDraws([seed + 1 for seed in MANY], "a").uniform("x"),
    ]
    streams = [FactorDraws(MANY, "a").uniform("x"), *others]
    correlations = torch.corrcoef(torch.cat(streams, 1).T) - torch.eye(4)
    assert correlations.abs().max() < 0.03


def test_draws_follow_their_distributions():
    draws = FactorDraws(MANY, "distributions")
    uniform, normal = draws.uniform("u", 2.0, 4.0), draws.normal("n", 1.0, 0.5)
    assert abs(uniform.mean() - 3) < 0.02 and uniform.min() >= 2 and uniform.max() < 4
    assert abs(normal.mean() - 1) < 0.02 and abs(normal.std() - 0.49) < 0.02
    shares = draws.choice("c", [1.0, 2.0, 1.0])[:, 0].long().bincount() / len(MANY)
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5, 0.25]), atol=0.015, rtol=0)


def test_skin_is_uniform_in_luminance_from_dark_to_light():
    found = luminance(draw_identity(MANY).skin.tone)[:, 0]
    darkest, *_, lightest = sorted(float(luminance(torch.tensor(tone))) for tone in SKIN_TONES)
    histogram = torch.histc(found, 8, darkest, lightest) / len(found)
    assert (histogram - 1 / 8).abs().max() < 0.02 + FANTASY_SKIN


def test_hair_says_nothing_about_skin():
    identity = draw_identity(MANY)
    pair = torch.stack([luminance(identity.skin.tone)[:, 0], luminance(identity.hair.color)[:, 0]])
    assert torch.corrcoef(pair)[0, 1].abs() < 0.03
    styles = (
        identity.hair.style[identity.outfit.hat == 0]
        .long()
        .bincount(minlength=len(HAIR_STYLES))
        .float()
    )
    styles = styles / styles.sum()
    assert (
        styles - torch.tensor(list(HAIR_STYLES.values())) / sum(HAIR_STYLES.values())
    ).abs().max() < 0.015


def test_most_identities_are_neutral_or_smile_mildly():
    smile = draw_expression(MANY).smile
    assert ((smile >= 0) & (smile <= 0.8)).float().mean() > 0.7
    assert (smile < 0).float().mean() < 0.08


def test_light_comes_from_a_direction_of_unit_length_and_mostly_from_the_front():
    light = draw_light(MANY)
    torch.testing.assert_close(light.direction.norm(dim=-1), torch.ones(len(MANY), 1))
    assert (light.direction[..., 2] > 0).float().mean() > 0.95


def test_colours_are_colours():
    identity, background = draw_identity(MANY), draw_background(MANY)
    for color in (
        identity.skin.tone,
        identity.skin.lip,
        identity.hair.color,
        identity.outfit.cloth,
        background.first,
    ):
        assert color.min() >= 0 and color.max() <= 1


def test_packing_loses_nothing():
    puppet = Puppet(draw_identity([1, 2, 3]), draw_expression([4, 5, 6]))
    packed = pack(puppet)
    assert packed.shape == (3, width(Puppet))
    torch.testing.assert_close(pack(unpack(Puppet, packed)), packed, rtol=0, atol=0)
    torch.testing.assert_close(
        unpack(Puppet, packed).identity.skin.iris, puppet.identity.skin.iris, rtol=0, atol=0
    )
