"""What the pages tell a reader to type can be typed: every command of theirs composes, and gives
all that it must.
"""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, require_buildable, to_plain
from pipeline.command_line import VERBS
from pipeline.distillation.plan import StageSettings, used_losses

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "docs/distillation.md",
    "docs/evaluation.md",
    "docs/inversion.md",
    "docs/portraits.md",
    "docs/shards.md",
    "docs/suites.md",
)
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
LEFT_OUT = "…"


def commands(page: str) -> list[list[str]]:
    """Verb and arguments of every fenced line that starts trilift, whatever starts it (srun,
    torchrun).
    """
    found = []
    for block in FENCED.findall((ROOT / page).read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            starts = [index for index, word in enumerate(words) if Path(word).name == "trilift"]
            found += [words[index + 1 :] for index in starts]
    return found


def without_sweep(argument: str) -> str:
    """A setting with the first of the values that a sweep would give it."""
    override = OverridesParser.create().parse_override(argument)
    return (
        f"{override.get_key_element()}={next(override.sweep_string_iterator())}"
        if override.is_sweep_override()
        else argument
    )


COMMANDS = [
    pytest.param(words, id=f"{page}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_on_a_page_composes(words):
    verb, *arguments = words
    assert verb in VERBS
    overrides = [
        without_sweep(argument)
        for argument in arguments
        if argument != LEFT_OUT and not argument.startswith("-")
    ]
    config = compose(verb, *overrides)
    if LEFT_OUT not in arguments:
        to_plain(config)  # raises if something that must be given isn't
    require_buildable(OmegaConf.to_container(config, resolve=True))
    if verb == "distill":
        plan = to_plain(config.plan)
        stages = {
            name: StageSettings.from_dict(name, values) for name, values in plan["stages"].items()
        }
        own = {name: loss["weight"] for name, loss in to_plain(config.loss).items()}
        assert set(used_losses(stages, own)) <= set(own)


def test_every_page_has_commands_and_one_that_is_wrong_is_noticed():
    assert all(commands(page) for page in PAGES)
    with pytest.raises(MissingConfigException, match="experiment/no_such"):
        test_a_command_on_a_page_composes(["distill", "experiment=no_such"])


@pytest.mark.parametrize("page", [*PAGES, "conf/README.md"])
def test_what_a_page_links_to_is_there(page):
    missing = [
        target
        for target in LINK.findall((ROOT / page).read_text())
        if not ((ROOT / page).parent / target).exists()
    ]
    assert not missing
