"""Altered files can't import a package that the user doesn't trust."""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from pipeline.build.configuration import compose, instantiate
from pipeline.data.shard_errors import WrongDistributions
from pipeline.data.shard_folder import ShardFolder
from pipeline.runs.trust import VARIABLE, trusted_packages
from pipeline.verbs import distill

PACKAGE = "somebodys_package"
TARGET = f"{PACKAGE}.module.Thing"


@pytest.fixture
def imported(tmp_path, monkeypatch) -> Path:
    """The file that the package writes when it is imported; nothing is trusted."""
    mark = tmp_path / "imported"
    folder = tmp_path / "path" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    (folder / "module.py").write_text(
        "class Thing:\n    def __init__(self): raise ValueError('built')\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv(VARIABLE, "")
    yield mark
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def run(repository, tmp_path) -> Path:
    files = repository / "tests/fixtures/967260b"
    folder = Path(shutil.copytree(files / "distill_stage1", tmp_path / "run"))
    alter(folder, "teacher.path", str(files / "teacher"))
    return folder


def replay(run: Path, *settings: str) -> None:
    distill.main(compose("distill", f"paths.run={run}", "replay=0", *settings))


def alter(run: Path, address: str, value: object) -> None:
    """Sets a key of the configuration that the run recorded."""
    path = run / "config.json"
    config = json.loads(path.read_text())
    node = config
    *outer, last = address.split(".")
    for name in outer:
        node = node[name]
    node[last] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    "address", ["teacher", "cameras", "cameras.reference.yaw_deg", "student", "sampler.latents"]
)
def test_an_altered_run_folder_imports_only_what_is_trusted(run, imported, address):
    alter(run, address, {"_target_": TARGET})
    alter(run, "trust", [PACKAGE])  # a file can't extend the trust
    with pytest.raises(ValueError, match=rf"refusing to build '{TARGET}'.*trust=\[{PACKAGE}\]"):
        replay(run)
    assert not imported.exists() and PACKAGE not in sys.modules
    assert trusted_packages() == ()


def test_trust_of_the_command_line_lets_a_run_folder_import(run, imported):
    alter(run, "teacher", {"_target_": TARGET})
    with pytest.raises(ValueError, match=r"^built$"):
        replay(run, f"trust=[{PACKAGE}]")
    assert imported.exists()


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "pipeline.runs.trust.trust", "packages": [PACKAGE]},
        {
            "_target_": "lightning.pytorch.cli.instantiate_class",
            "args": [],
            "init": {"class_path": TARGET},
        },
        {"_target_": "pipeline.build.configuration.instantiate", "config": {"_target_": TARGET}},
        {"_target_": "pipeline.lifter.Recipe", "target": TARGET, "arguments": {}},
        {"_target_": "pipeline.runs.child_process.ChildProcess", "arguments": ["true"]},
        {"_target_": f"teachers.toy.{TARGET}"},
        {"_target_": f"{PACKAGE}:module"},
        {
            "_target_": "teachers.toy.ToyTeacher",
            "density": f"\\${{oc.create:{{_target_:{TARGET}}}}}",
        },
    ],
)
def test_no_detour_through_a_known_package_imports(imported, node):
    with pytest.raises(ValueError, match=r"refusing to build|cannot build"):
        instantiate(node)
    assert not imported.exists() and trusted_packages() == ()


@pytest.mark.parametrize("trusted", ["", PACKAGE])
def test_a_description_of_shards_is_compared_and_never_built(
    repository, tmp_path, imported, trusted, monkeypatch
):
    monkeypatch.setenv(VARIABLE, trusted)
    shards = repository / "tests/fixtures/967260b/shards_latent"
    folder = ShardFolder(shutil.copytree(shards, tmp_path / "shards"))
    configured = folder.read().description.distributions
    file = folder.require()
    described = json.loads(file.read_text())
    described["laws"]["cameras"]["_target_"] = TARGET
    file.write_text(json.dumps(described))
    (folder.path / "manifest.json").unlink()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for sidecar in (folder.sidecar(name) for name in folder.done()):
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "digest": digest}))
    with pytest.raises(WrongDistributions, match=re.escape(TARGET)):
        folder.read().description.require_distributions(configured, folder.path)
    assert not imported.exists()
