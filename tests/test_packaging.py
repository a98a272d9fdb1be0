import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import torch

from pipeline.pictures import write_png


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The output of a command that has to succeed, without anything of this clone on its path."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env={**clean, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        *isolation,
        "--wheel-dir",
        folder,
        repository,
        cwd=folder,
    )
    (built,) = folder.glob("trilift-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of a fresh environment with the wheel; what it depends on is borrowed from the
    one that runs this.
    """
    root = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", root, cwd=root.parent)
    python = root / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=root.parent,
    )
    (site,) = root.glob("lib/python*/site-packages")
    # A bare path: the .pth files over there, such as that of an editable install of this clone, are
    # not followed.
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"])
    return root / "bin"


def test_the_wheel_holds_packages_configuration_and_weights_and_nothing_else(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = {"pipeline", "teachers", "students"}
    tracked = subprocess.run(
        ["git", "ls-files", "conf", *kept],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    expected = {
        f"pipeline/{name}" if name.startswith("conf/") else name
        for name in tracked
        if (repository / name).exists()
    }
    assert expected <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == kept


def test_the_installed_command_lists_its_verbs_and_finds_its_configuration_from_anywhere(
    installed, tmp_path
):
    assert "distill" in run(installed / "trilift", "--help", cwd=tmp_path)
    where = (
        "import pipeline, pipeline.build.configuration as build; print(pipeline.__file__);"
        " print(build.configuration_folder())"
    )
    package, configuration = run(installed / "python", "-c", where, cwd=tmp_path).split()
    assert Path(package).is_relative_to(installed.parent) and Path(configuration).is_relative_to(
        installed.parent
    )
    compose = (
        "from pipeline.build.configuration import compose;"
        " print(compose('distill', 'name=elsewhere').paths.run)"
    )
    assert (
        run(installed / "python", "-c", compose, cwd=tmp_path).strip() == "runs/distill/elsewhere"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_lifts_a_photograph_from_another_folder(
    installed, untrained_student, tmp_path
):
    write_png(tmp_path / "photo.png", torch.rand(3, 40, 50) * 2 - 1)
    settings = [
        "input=photo.png",
        "output=heads",
        f"checkpoint={untrained_student}",
        "turntable.frames=2",
    ]
    run(installed / "trilift", "lift", *settings, cwd=tmp_path, OMP_NUM_THREADS="1")
    assert {"sheet.png", "triplane.safetensors"} <= {
        file.name for file in (tmp_path / "heads" / "photo").iterdir()
    }
    assert {file.name for file in tmp_path.iterdir()} == {"photo.png", "heads"}
