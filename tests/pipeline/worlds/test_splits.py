import pytest

from pipeline.worlds.splits import PER_SPLIT, Split, WorldSeeds


def test_the_same_number_is_another_identity_in_another_split():
    identities = [set(WorldSeeds.of(split, range(1000)).identity) for split in Split]
    assert len(set.union(*identities)) == 3000


def test_the_last_identity_of_a_split_still_belongs_to_it():
    assert WorldSeeds.of(Split.TRAIN, [PER_SPLIT - 1]).identity[0] < Split.VALIDATE.value
    assert WorldSeeds.of(Split.VALIDATE, [PER_SPLIT - 1]).identity[0] < Split.TEST.value


@pytest.mark.parametrize("number", [-1, PER_SPLIT])
def test_a_number_outside_a_split_is_refused(number):
    with pytest.raises(ValueError, match="has identities 0 to 999999"):
        WorldSeeds.of(Split.TRAIN, [number])


@pytest.mark.parametrize("factor", ["identity", "expression", "light", "background"])
def test_no_factor_can_borrow_a_seed_of_another_split(factor):
    seeds = {name: [5] for name in ("identity", "expression", "light", "background")} | {
        factor: [Split.TEST.value + 5]
    }
    with pytest.raises(ValueError, match=f"{factor} seed 2000005 is not of the train split"):
        WorldSeeds(Split.TRAIN, **seeds)


def test_changing_one_factor_keeps_the_others():
    identities = WorldSeeds.of(Split.TEST, [1, 2])
    changed = identities.with_light([7, 8])
    assert changed.light == [Split.TEST.value + 7, Split.TEST.value + 8]
    assert (changed.identity, changed.expression, changed.background) == (
        identities.identity,
        identities.expression,
        identities.background,
    )


def test_every_identity_needs_every_factor():
    with pytest.raises(ValueError, match="1 light seeds came with 2 identity seeds"):
        WorldSeeds(Split.TRAIN, [1, 2], [1, 2], [1], [1, 2])
