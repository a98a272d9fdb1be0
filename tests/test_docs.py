"""Every command on a page composes and can be built; links, anchors and examples are right."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, require_buildable, to_plain
from pipeline.command_line import POSITIONAL, VERBS, named_weights, named_words
from pipeline.distillation.plan import StageSettings, used_losses
from pipeline.runs.markers import without_markers
from pipeline.verbs.weights import FACEMESH
from pipeline.weights.catalogue import OUTSIDE

ROOT = Path(__file__).resolve().parents[1]
CARDS = tuple(
    str(path.relative_to(ROOT))
    for folder in ("teachers/pretrained", "students/pretrained")
    for path in sorted((ROOT / folder).rglob("*.md"))
)
PAGES = (
    "README.md",
    "conf/README.md",
    *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
    *CARDS,
)
AS_RUN = ("docs/notebook.md", "docs/changelog.md", "teachers/pretrained/puppets/card.md")
"""Keep commands of earlier versions as they were run."""

OF_A_READER = "docs/extending.md"
"""Names a package that the reader writes; `tests/plugins` runs its examples."""

WITH_COMMANDS = tuple(page for page in PAGES if page not in (*AS_RUN, OF_A_READER))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LEFT_OUT = "…"


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of the languages ("" for none)."""
    found = FENCED.findall((ROOT / page).read_text())
    return [text for language, text in found if language in languages]


def commands(page: str) -> list[list[str]]:
    """Verb and arguments of every fenced line that starts trilift, by itself or through srun or
    torchrun.
    """
    found = []
    for block in blocks(page, "", "sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if "trilift " not in line:
                continue  # another program's command, or output with an apostrophe
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
    for page in WITH_COMMANDS
    for words in commands(page)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_on_a_page_composes(words):
    verb, *arguments = words
    assert verb in VERBS
    if verb == "weights":
        arguments = named_weights(arguments)
    arguments = named_words(arguments, POSITIONAL.get(verb, ()))
    overrides = [
        without_sweep(argument)
        for argument in arguments
        if not argument.endswith(LEFT_OUT) and not argument.startswith("-")
    ]
    config = compose(verb, *overrides)
    if not any(argument.endswith(LEFT_OUT) for argument in arguments):
        to_plain(config)  # raises if something that must be given isn't
    require_buildable(without_markers(OmegaConf.to_container(config, resolve=True)))
    if verb == "distill":
        plan = to_plain(config.plan)
        stages = {
            name: StageSettings.from_dict(name, values) for name, values in plan["stages"].items()
        }
        own = {name: loss["weight"] for name, loss in to_plain(config.loss).items()}
        assert set(used_losses(stages, own)) <= set(own)


def test_every_page_has_commands_and_one_that_is_wrong_is_noticed():
    assert {Path(page).parent.name for page in WITH_COMMANDS if commands(page)} >= {
        "docs",
        "pretrained",
        "fusers",
    }
    with pytest.raises(MissingConfigException, match="experiment/no_such"):
        test_a_command_on_a_page_composes(["distill", "experiment=no_such"])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page):
    text = FENCED.sub("", (ROOT / page).read_text())
    for target, anchor in LINK.findall(text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_link_stays_on_the_site_where_cards_are_pages_too(page):
    """`make docs` takes every other one for broken (docs/cards_in_site.py)."""
    targets = {target for target, _ in LINK.findall((ROOT / page).read_text()) if target}
    places = {((ROOT / page).parent / target).resolve().relative_to(ROOT) for target in targets}
    outside = {str(place) for place in places if place.parts[0] != "docs"}
    assert outside <= {*CARDS}


def test_make_help_lists_every_target_that_says_what_it_does():
    said = re.findall(r"^([^\s:]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE) == said
    assert "bench-gpu" in said


def test_the_examples_of_extending_are_those_that_are_tested():
    plugins = [
        path.read_text()
        for path in (ROOT / "tests" / "plugins").rglob("*")
        if path.suffix in (".py", ".yaml")
    ]
    examples = blocks("docs/extending.md", "py", "yaml")
    assert examples
    assert [one for one in examples if not any(one in text for text in plugins)] == []


def test_every_page_is_on_the_site():
    navigation = (ROOT / ".mkdocs.yml").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in navigation] == []


ALLOWED = re.compile(r"^\| (\S+) \| ([^|]*) \|", re.MULTILINE)


def test_every_package_that_may_be_installed_is_on_the_page_of_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    page = {
        name: allowed
        for name, allowed in ALLOWED.findall((ROOT / "docs" / "dependencies.md").read_text())
        if allowed.strip()
    }
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        name, bounds = re.match(r"([\w\-\[\]]+)(.*)", requirement).groups()
        written = bounds.replace(">=", "≥ ").replace(",<", ", < ")
        assert page.get(name) == written, f"{requirement} in pyproject.toml, {page.get(name)} there"


def test_every_outside_weight_has_a_proof_value_or_says_that_it_has_none():
    page = (ROOT / "docs" / "evaluation.md").read_text()
    table = page.partition("| proof value |")[2].partition("\n\n")[0]
    rows = {row.split("|")[1].strip(" `"): row for row in table.splitlines()[2:]}
    assert set(rows) == {*(outside.name for outside in OUTSIDE), FACEMESH}
    for outside in OUTSIDE:
        assert ("| none: in no package" in rows[outside.name]) == (outside.package is None)
