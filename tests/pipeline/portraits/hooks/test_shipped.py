"""The hooks of conf/hooks do what their names say, at any resolution, within the contract."""

import pytest
import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from pipeline.build.configuration import compose, configuration_folder
from pipeline.build.hooks import build_hooks
from pipeline.portraits.hooks.chain import Cut
from pipeline.portraits.hooks.colour import Colour, Exposure, WhiteBalance
from pipeline.portraits.hooks.filters import Blur, Cartoon
from pipeline.portraits.hooks.surroundings import Background
from pipeline.runs.trust import VARIABLE

NAMES = sorted(file.stem for file in (configuration_folder() / "hooks").glob("*.yaml"))


def noise(side: int) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def edges(image: Tensor) -> float:
    return float((image[..., 1:] - image[..., :-1]).abs().mean())


@pytest.fixture(scope="module")
def all_of_them():
    return build_hooks(compose("lift", "input=a", "output=b", f"hooks=[{','.join(NAMES)}]"))


@pytest.mark.parametrize("side", [16, 65])
def test_all_of_them_keep_the_contract_at_any_size(all_of_them, side):
    assert list(all_of_them.hooks) == NAMES
    extremes = torch.ones(1, 3, side, side)
    for picture in (noise(side), extremes, -extremes):
        edited = all_of_them.edit(Cut.of(picture[0])).image  # raises if one doesn't
        assert edited.shape == (3, side, side)


def test_a_stop_doubles_the_light():
    grey = torch.full((1, 3, 4, 4), -0.2)
    light, more = (rgb_to_linear_rgb((i + 1) / 2).mean() for i in (grey, Exposure(stops=1)(grey)))
    assert float(more / light) == pytest.approx(2, rel=1e-3)
    assert Exposure(stops=9)(grey).max() == pytest.approx(1)


def test_warm_light_is_redder_and_as_bright():
    grey = torch.zeros(1, 3, 4, 4)
    red, green, blue = rgb_to_linear_rgb((WhiteBalance(warmth=1.0)(grey) + 1) / 2)[0, :, 0, 0]
    assert float(red / blue) == pytest.approx(2, rel=1e-3)
    before = float(rgb_to_linear_rgb((grey + 1) / 2).mean())
    assert float(0.2126 * red + 0.7152 * green + 0.0722 * blue) == pytest.approx(before, rel=1e-3)


def test_saturation_contrast_and_hue():
    image = noise(16)
    grey = Colour(saturation=0)(image)
    assert (grey.amax(1) - grey.amin(1)).max() < 1e-5
    assert torch.allclose(Colour()(image), image, atol=1e-5)
    red = torch.tensor([1.0, -1, -1])[None, :, None, None].expand(1, 3, 2, 2)
    assert torch.allclose(
        Colour(hue_deg=120)(red)[0, :, 0, 0], torch.tensor([-1.0, 1, -1]), atol=1e-4
    )


def test_a_blur_means_the_same_at_any_resolution():
    step = torch.ones(1, 3, 64, 64)
    step[..., :32] = -1
    small = Blur(sigma=0.05)(torch.nn.functional.avg_pool2d(step, 2))
    large = torch.nn.functional.avg_pool2d(Blur(sigma=0.05)(step), 2)
    assert (small - large).abs().max() < 0.08 and edges(large) == pytest.approx(
        edges(small), rel=0.1
    )


def test_a_cartoon_is_flat_and_keeps_strong_edges():
    step = torch.ones(1, 3, 64, 64) * 0.6
    step[..., :32] = -0.6
    image = (step + 0.1 * noise(64)).clamp(-1, 1)
    drawn = Cartoon(outlines=0.0, levels=0)(image)
    assert drawn[..., 8:24].std() < 0.4 * image[..., 8:24].std()
    assert (drawn[..., 34:40].mean() - drawn[..., 24:30].mean()) > 1.0
    outlined = Cartoon(outlines=1.0)(image)
    assert outlined[..., 31:33].max() < -0.5 < outlined[..., 40:60].min()


def test_the_background_is_replaced_where_nobody_is(tmp_path):
    from pipeline.pictures import write_png

    image, person = noise(8), torch.zeros(1, 1, 8, 8)
    person[..., 4:] = 1
    write_png(tmp_path / "wall.png", torch.zeros(3, 32, 48))
    for settings in ({"colour": [0.5, 0.5, 0.5]}, {"picture": str(tmp_path / "wall.png")}):
        replaced = Background(**settings)(image, person)
        assert torch.equal(replaced[..., 4:], image[..., 4:])
        assert replaced[..., :4].abs().max() < 0.01
    blurred = Background(blur=0.2)(image, person)
    assert torch.equal(blurred[..., 4:], image[..., 4:])
    assert edges(blurred[..., :4]) < 0.5 * edges(image[..., :4])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["hooks.background.blur=0.1"], "give one of colour, picture and blur"),
        (["hooks.background.colour=[2,0,0]"], r"red, green, blue in \[0, 1\]"),
        (
            ["hooks.background.colour=null", "hooks.background.picture=gone.png"],
            "gone.png: no such",
        ),
        (["+hooks.background.sigma=3"], "does not take sigma"),
        (["hooks.background.blur=wide"], "blur is .wide.: expected a number"),
        (["hooks.background._target_=os.system"], r"refusing to build .*trust=\[os\]"),
        (["+hooks.mine=cartoon"], "hooks.mine is 'cartoon': expected a node with _target_"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(settings, says):
    with pytest.raises(ValueError, match=says):
        build_hooks(compose("lift", "hooks=[background]", *settings))


def test_what_cannot_be_called_is_refused_by_name():
    target = "pipeline.portraits.framing.CentreSquare"
    with pytest.raises(ValueError, match=r"hooks.mine .*CentreSquare, which can't be called"):
        build_hooks(compose("lift", f"+hooks.mine._target_={target}"))


def test_a_function_of_a_trusted_package_is_a_hook(lab, monkeypatch):
    monkeypatch.setenv(VARIABLE, "my_lab")
    hooks = build_hooks(compose("lift", lab, "hooks=[sepia,gaze]", "hooks.sepia.strength=1"))
    edited = hooks.edit(Cut.of(noise(8)[0]))
    assert (edited.image[0] >= edited.image[2]).all() and edited.camera is None
    assert hooks.record()[0] == {"name": "sepia", "_target_": "my_lab.hooks.sepia", "strength": 1}
