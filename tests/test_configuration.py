import re
from pathlib import Path

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from pipeline.build.configuration import (
    compose,
    configuration_folder,
    instantiate,
    require_buildable,
    root_of,
    to_plain,
)
from pipeline.command_line import PACKAGE, VERBS
from pipeline.runs.markers import without_markers

CONF = configuration_folder()
GROUP_FILES = sorted(
    file
    for file in CONF.rglob("*.yaml")
    if file.parent != CONF and "hydra" not in file.relative_to(CONF).parts
)
EXPERIMENTS = sorted((CONF / "experiment").glob("*.yaml")) + sorted((CONF / "sweep").glob("*.yaml"))
COMMAND = re.compile(r"^#.*?trilift (\w+)((?: +[^\s#]+=[^\s#]+)+)", re.MULTILINE)


def name_of(file: Path) -> str:
    return str(file.relative_to(CONF).with_suffix(""))


def missing_to_null(plain):
    if isinstance(plain, dict):
        plain = without_markers(plain)
        return {key: missing_to_null(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [missing_to_null(value) for value in plain]
    return None if plain == "???" else plain


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_module_a_root_and_buildable_parts(verb):
    assert (PACKAGE / "verbs" / f"{verb}.py").exists() and (CONF / f"{root_of(verb)}.yaml").exists()
    config = compose(verb)
    assert config.verb == verb
    require_buildable(missing_to_null(OmegaConf.to_container(config, resolve=True)))


def test_every_root_belongs_to_a_verb():
    assert {file.stem for file in CONF.glob("*.yaml")} == {root_of(verb) for verb in VERBS}


def test_no_root_is_named_as_a_group():
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir()}
    assert not groups & {file.stem for file in CONF.glob("*.yaml")}


@pytest.mark.parametrize("file", GROUP_FILES, ids=name_of)
def test_every_class_that_a_file_names_exists_and_takes_its_settings(file):
    settings = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    settings.pop("defaults", None)  # is Hydra's
    require_buildable(missing_to_null(settings))


@pytest.mark.parametrize("file", EXPERIMENTS, ids=name_of)
def test_every_experiment_says_its_command_and_that_composes(file):
    commands = [
        match
        for match in COMMAND.finditer(file.read_text())
        if f"{file.parent.name}={file.stem}" in match[2].split()
    ]
    assert commands, (
        f"{file} does not say its command: write `trilift VERB {file.parent.name}={file.stem}` in"
        " its header"
    )
    for command in commands:
        config = compose(command[1], *command[2].split())
        assert config.verb == command[1] == OmegaConf.load(file).verb
        require_buildable(missing_to_null(OmegaConf.to_container(config, resolve=True)))


def test_arguments_that_a_file_cannot_hold_are_handed_over_uncopied():
    network = torch.nn.Linear(2, 2)
    optimizer = instantiate(
        {"_target_": "torch.optim.AdamW", "lr": 0.125}, params=network.parameters()
    )
    assert (
        optimizer.param_groups[0]["params"][0] is network.weight
        and optimizer.param_groups[0]["lr"] == 0.125
    )


def test_a_partial_waits_for_its_arguments():
    network = torch.nn.Linear(2, 2)
    factory = instantiate(
        {"_target_": "torch.optim.SGD", "_partial_": True, "momentum": 0.5}, lr=0.25
    )
    assert (
        factory(network.parameters()).defaults["momentum"] == 0.5
        and factory(network.parameters()).defaults["lr"] == 0.25
    )


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "pipelines.x",
        "pipeline.build.configuration.os.system",
        "pipeline.build.configuration.sys.exit",
        "torch.load",
    ],
)
def test_nothing_outside_our_packages_is_built(target, monkeypatch):
    for nested in (
        {"_target_": target},
        {"_target_": "torch.optim.SGD", "params": [{"inner": {"_target_": target}}]},
    ):
        with pytest.raises(ValueError, match=re.escape(f"refusing to build '{target}'")):
            instantiate(nested)


def test_a_misspelt_argument_is_refused_with_class_and_key():
    with pytest.raises(
        ValueError, match=r"torch.optim.SGD does not take learning_rate; it takes params, lr"
    ):
        instantiate({"_target_": "torch.optim.SGD", "learning_rate": 1.0})


def test_what_a_constructor_complains_about_is_passed_on():
    with pytest.raises(ValueError, match=r"Invalid learning rate: -1\.0"):
        instantiate(
            {"_target_": "torch.optim.SGD", "lr": -1.0}, params=torch.nn.Linear(1, 1).parameters()
        )


def test_a_verb_that_runs_can_compose_another_and_keeps_its_own():
    with hydra.initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        assert compose("lift", "input=a", "output=b").verb == "lift"
        assert GlobalHydra.instance().hydra is before


def test_a_plain_configuration_has_no_interpolation_left():
    plain = to_plain(OmegaConf.create({"a": 1, "b": {"c": "${a}", "d": ["${b.c}"]}}))
    assert plain == {"a": 1, "b": {"c": 1, "d": [1]}}
    assert type(plain["b"]) is dict and type(plain["b"]["d"]) is list


@pytest.mark.parametrize(
    ("verb", "settings", "sweeper"),
    [
        ("distill", [], "CellSweeper"),
        ("pretrain", [], "CellSweeper"),
        ("distill", ["sweep=ablations"], "CellSweeper"),
        ("distill", ["sweep=learning_rate"], "SearchSweeper"),
        ("distill", ["hydra/sweeper=search"], "SearchSweeper"),
    ],
)
def test_trainings_are_swept_by_cells_unless_a_sweep_chooses_a_search(verb, settings, sweeper):
    folder = str(configuration_folder())
    with hydra.initialize_config_dir(folder, version_base="1.3"):
        config = hydra.compose(verb, overrides=settings, return_hydra_config=True)
    assert config.hydra.sweeper._target_ == f"hydra_plugins.trilift.{sweeper}"
