import torch

from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.sheet import GAP, world_sheet
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera


def test_rows_are_identities_and_columns_are_views():
    world, seeds = PuppetWorld(supersampling=1), WorldSeeds.of(Split.TRAIN, [4, 5])
    sheet = world_sheet(world, seeds, yaws=(-0.4, 0.4, 0.0), pitch=0.0, resolution=32)
    last = world.render(seeds[1:], Camera.orbit(torch.zeros(1), torch.zeros(1)), 32).image()[0]
    torch.testing.assert_close(sheet[:, -32 - GAP : -GAP, -32 - GAP : -GAP], last)
    assert sheet.shape[2] > sheet.shape[1] >= 64
