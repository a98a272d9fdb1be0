"""No verb accepts a setting that it ignores.

Every leaf of a composed root, with each option of each of its groups, must be read: by an attribute
chain from a configuration in the modules of verbs and builders that the verb imports; or as an
argument of a node with `_target_` that is built (a wrong argument is an error already); or by an
interpolation of another setting that is read.
"""

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, ListConfig, OmegaConf

from pipeline.build.application import foreign_settings
from pipeline.build.configuration import compose, root_of
from pipeline.runs.markers import MARKERS
from pipeline.verbs import distill

REPOSITORY = Path(__file__).parents[3]
CONF = REPOSITORY / "conf"
VERBS = sorted(OmegaConf.load(path).verb for path in CONF.glob("*.yaml"))
ROOT_NAMES = {"config", "settings", "command", "self.config", "self.settings", "evaluation.config",
              "evaluation.settings"}  # fmt: skip

ALLOWED = {
    "verb": "names Hydra's folders and the help text (conf/paths)",
    "trust": "read and removed by pipeline.build.application before a verb runs",
    "paths.weights": "every verb may interpolate it: ${paths.weights}",
    "experiment": "a group that only overrides others",
}


def modules_of(verb: str) -> list[Path]:
    """The verb's module and the modules of pipeline.verbs and pipeline.build that it imports."""
    found: list[Path] = []
    waiting = [REPOSITORY / "pipeline" / "verbs" / f"{verb}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.append(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                base = (node.module or "").split(".")
                if node.level:
                    base = [*path.relative_to(REPOSITORY).parts[: -node.level], *filter(None, base)]
                if base[:2] in (["pipeline", "build"], ["pipeline", "verbs"]):
                    waiting.append(REPOSITORY.joinpath(*base).with_suffix(".py"))
    return found


class Reads(ast.NodeVisitor):
    """The chains below a configuration that a module reads: `config.a.b`, `config["a"].b`,
    `OmegaConf.select(config, "a.b")`, and the same through a name that was assigned such a chain.
    """

    def __init__(self) -> None:
        self.whole: set[str] = set()
        self.aliases: dict[str, str] = {}

    def visit_Assign(self, node: ast.Assign) -> None:
        pairs = [(target, node.value) for target in node.targets]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for target, value in pairs:
            inner = value
            if isinstance(inner, ast.Call) and _called(inner) == "to_plain" and inner.args:
                inner = inner.args[0]  # its values are read where they are used
            chain = self.chain(inner)
            if isinstance(target, ast.Name) and chain:
                self.aliases[target.id] = chain
            else:
                self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        if _called(node) in ("select", "get") and node.args:
            of = node.func.value if _called(node) == "get" else node.args[0]  # type: ignore[attr-defined]
            name = node.args[-1 if _called(node) == "select" else 0]
            base = self.base(of)
            if base is not None and isinstance(name, ast.Constant):
                self.whole.add(".".join(filter(None, (base, str(name.value)))))
                return
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.read(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.read(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.read(node)

    def read(self, node: ast.expr) -> None:
        chain = self.chain(node)
        if chain:
            self.whole.add(chain)
        else:
            self.generic_visit(node)

    def chain(self, node: ast.expr) -> str:
        """The chain below a root; "" for anything else, and for a root itself."""
        return self.base(node) or ""

    def base(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name) and node.id in self.aliases:
            return self.aliases[node.id]
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in ROOT_NAMES:
            return ""
        if isinstance(node, ast.Attribute):
            of = self.base(node.value)
            methods = ("items", "values", "get", "keys")
            return of if node.attr in methods and of else _joined(of, node.attr)
        if isinstance(node, ast.Subscript):
            of = self.base(node.value)
            key = node.slice
            if of is not None and not isinstance(key, ast.Constant):
                return of  # config.method[name]: any of them
            return _joined(of, str(key.value)) if isinstance(key, ast.Constant) else None
        return None


def _joined(of: str | None, name: str) -> str | None:
    return None if of is None else ".".join(filter(None, (of, name)))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@functools.cache
def reads_of(verb: str) -> frozenset[str]:
    found: set[str] = set()
    for path in modules_of(verb):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                reads = Reads()
                for statement in function.body:
                    reads.visit(statement)
                found |= reads.whole
    return frozenset(found)


def leaves(node: DictConfig, path: str = "") -> Iterator[str]:
    for key in node:
        if key in MARKERS:
            continue
        where = f"{path}.{key}" if path else str(key)
        value = None if OmegaConf.is_missing(node, key) else node._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation():
            yield from leaves(value, where) if len(value) else [where]
        else:
            yield where


def interpolated(node: object) -> set[str]:
    text = OmegaConf.to_yaml(node)
    return {part.split("}")[0] for part in text.split("${")[1:]}


def compositions(verb: str) -> Iterator[DictConfig]:
    """The root, and the root with every option of each of its groups (one at a time)."""
    yield compose(verb)
    defaults = OmegaConf.load(CONF / f"{root_of(verb)}.yaml").get("defaults", ListConfig([]))
    for entry in defaults:
        if not isinstance(entry, DictConfig):
            continue
        ((key, _),) = entry.items()
        key = str(key).removeprefix("override ")
        group = key.split("@")[0].strip("/")
        if group in ("hydra/job_logging", "paths", "sweep", "fleet"):
            continue
        for option in sorted((CONF / group).glob("*.yaml")):
            chosen = f"[{option.stem}]" if group == "loss" else option.stem
            if group == "experiment" and OmegaConf.load(option).verb != verb:
                continue  # refused, see test_experiments_and_sweeps_of_other_verbs_are_refused
            if group == "data" and is_of_another_root(option, defaults):
                continue  # refused by Hydra: it overrides a group that this root doesn't have
            yield compose(verb, f"{key}={chosen}")


def is_of_another_root(option: Path, defaults: ListConfig) -> bool:
    """Whether the option overrides a group that isn't among a root's defaults."""
    groups = {
        str(key).split("@")[0]
        for entry in defaults
        if isinstance(entry, DictConfig)
        for key in entry
    }
    overridden = {
        str(key).removeprefix("override ").split("@")[0].strip("/")
        for entry in OmegaConf.load(option).get("defaults", ListConfig([]))
        if isinstance(entry, DictConfig)
        for key in entry
        if str(key).startswith("override ")
    }
    return not overridden <= groups


def ignored(verb: str) -> set[str]:
    reads, found = reads_of(verb), set()
    for config in compositions(verb):
        named = interpolated(config)
        for leaf in leaves(config):
            is_read = any(leaf == read or leaf.startswith(f"{read}.") for read in reads)
            is_named = any(leaf == name or leaf.startswith(f"{name}.") for name in named)
            is_allowed = any(leaf == name or leaf.startswith(f"{name}.") for name in ALLOWED)
            if not (is_read or is_named or is_allowed or leaf.startswith("hydra.")):
                found.add(leaf)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_setting_of_a_verb_is_read(verb):
    assert ignored(verb) == set()


FOREIGN = [
    (verb, f"{file.parent.name}={file.stem}", OmegaConf.load(file).verb)
    for verb in ("distill", "pretrain", "generate")
    for group in ("experiment", "sweep")
    for file in sorted((CONF / group).glob("*.yaml"))
    if OmegaConf.load(file).verb != verb
]


@pytest.mark.parametrize(("verb", "override", "owner"), FOREIGN)
def test_experiments_and_sweeps_of_other_verbs_are_refused(
    verb, override, owner, monkeypatch, capsys
):
    main = importlib.import_module(f"pipeline.verbs.{verb}").main
    monkeypatch.setattr("sys.argv", ["trilift", "seed=1", override])
    with pytest.raises(SystemExit) as stopped:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert lines == [
        f"trilift {verb}: {override} is of `trilift {owner}`, not of `trilift {verb}`: give it to"
        f" trilift {owner}"
    ]


def test_a_composed_experiment_of_another_verb_is_refused():
    with pytest.raises(ValueError, match="give them to trilift pretrain, not to trilift distill"):
        distill.main(compose("distill", "experiment=warm_start"))


def test_foreign_settings_are_found_in_lists():
    arguments = ["-m", "experiment=laptop, warm_start", "seed=0,1"]
    assert foreign_settings("distill", arguments).startswith("experiment=warm_start is of")
    assert foreign_settings("distill", ["experiment=laptop", "experiment=mine"]) == ""


def test_the_reads_of_a_module_are_found():
    reads = Reads()
    code = """
a = config.one.two
b, c = to_plain(config), config["three"]
build(config, config.four["five"], a.six, OmegaConf.select(config, "seven.eight"))
use(**c["nine"])
config.method[name]
config.ten.get("path")
"""
    for statement in ast.parse(code).body:
        reads.visit(statement)
    assert reads.whole == {
        "four.five", "one.two.six", "seven.eight", "three.nine", "method", "ten.path",
    }  # fmt: skip
