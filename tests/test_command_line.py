import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import command_line

# What the console script that pip writes does, without needing it to be installed.
TRILIFT = "from pipeline.command_line import main; main()"

GREET = '''"""Greets."""
from pipeline.build import verb

@verb("convert")
def main(config):
    {body}

if __name__ == "__main__":
    main()
'''


@pytest.fixture
def trilift(repository, tmp_path):
    def run(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(repository),
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            [sys.executable, "-c", TRILIFT, *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def greet(repository, tmp_path):
    """Runs a verb with the given body as `python greet.py ARGUMENTS` in an empty folder."""

    def run(body: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "greet.py"
        script.write_text(GREET.format(body=body))
        (tmp_path / "here").mkdir(exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(repository), **variables}
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=tmp_path / "here",
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def test_help_lists_every_verb_with_a_line_in_under_a_second_of_processor_time(trilift):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = trilift("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and not done.stderr
    rows = dict(
        line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  ")
    )
    assert set(rows) == {*command_line.VERBS, *command_line.PLANNED}
    assert all(text.endswith(".") and len(text) > 10 for text in rows.values())
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_no_argument_shows_the_same_as_help(trilift):
    assert trilift().stdout == trilift("--help").stdout


@pytest.mark.parametrize(
    ("wrong", "meant"), [("distil", "distill"), ("pretrian", "pretrain"), ("lft", "lift")]
)
def test_a_misspelt_verb_is_told_the_nearest(trilift, wrong, meant):
    done = trilift(wrong)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == f"trilift: there is no verb '{wrong}'; did you mean '{meant}'?\n"


@pytest.mark.parametrize("name", command_line.PLANNED)
def test_a_planned_verb_says_that_it_is_not_there_yet(trilift, name):
    done = trilift(name)
    assert (
        done.returncode == 2
        and "not in this version yet" in done.stderr
        and len(done.stderr.splitlines()) == 1
    )


def test_a_rival_pipeline_in_the_working_directory_does_not_run(trilift, tmp_path):
    rival = tmp_path / "pipeline"
    rival.mkdir()
    for file in ("__init__.py", "convert.py"):
        (rival / file).write_text("raise SystemExit('the rival ran')")
    done = trilift("convert", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "verb: convert" in done.stdout


def test_verb_help_shows_what_it_is_for_its_groups_and_its_settings(trilift):
    done = trilift("distill", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        command_line.first_line(command_line.PACKAGE / "verbs" / "distill.py")
    )
    assert "student: base, light" in done.stdout and "verb: distill" in done.stdout


def test_an_error_of_the_user_is_one_line_and_status_2(greet):
    done = greet("raise ValueError('got 3, expected 4: count again')", "checkpoint=x", "output=y")
    assert (
        done.returncode == 2 and done.stderr == "trilift convert: got 3, expected 4: count again\n"
    )


def test_debugging_shows_where_an_error_came_from(greet):
    done = greet("raise ValueError('got 3')", "checkpoint=x", "output=y", TRILIFT_DEBUG="1")
    assert done.returncode != 0 and "Traceback" in done.stderr and "greet.py" in done.stderr


def test_an_error_of_ours_keeps_its_traceback(greet):
    done = greet("raise AssertionError('impossible')", "checkpoint=x", "output=y")
    assert done.returncode == 1 and "greet.py" in done.stderr and "impossible" in done.stderr


def test_a_missing_setting_is_named(greet):
    done = greet("config.checkpoint", "output=y")
    assert (
        done.returncode == 2
        and done.stderr == "trilift convert: checkpoint is missing: give checkpoint=…\n"
    )


def test_a_misspelt_setting_is_named(greet):
    done = greet("pass", "chekpoint=x")
    assert done.returncode != 0 and "chekpoint" in done.stderr and "Traceback" not in done.stderr


def test_an_exit_status_passes_through(greet):
    assert greet("raise SystemExit(1)").returncode == 1


def test_a_verb_litters_nothing(greet, tmp_path):
    done = greet(
        "import logging; logging.getLogger('pipeline').info('on stderr')",
        "checkpoint=x",
        "output=y",
    )
    assert done.returncode == 0 and done.stdout == "" and "on stderr" in done.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_the_jobs_of_a_sweep_have_numbered_folders_without_an_equals_sign(greet, tmp_path):
    body = "import pathlib; pathlib.Path(config.paths.run, 'ran').touch()"
    done = greet(body, "--multirun", "--config-name=distill", "seed=1,2", "name=sweep")
    assert done.returncode == 0, done.stderr
    files = {str(file.relative_to(tmp_path / "here")) for file in (tmp_path / "here").rglob("*")}
    assert {"runs/distill/sweep/0/ran", "runs/distill/sweep/1/ran"} <= files
    assert not any("=" in file for file in files)


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (["distill", "-m", "seed=1,2"], "sweep"),
        (["distill", "sweep=ablations"], "sweep"),
        (["pretrain", "--multirun", "seed=1,2", "--table"], "sweep"),
        (["distill", "seed=1"], "distill"),
        (["distill", "-m", "seed=1,2", "--cfg", "job"], "distill"),
        (["distill", "sweep=ablations", "--help"], "distill"),
        (["generate", "-m", "worker=0,1"], "generate"),
    ],
)
def test_only_trainings_are_swept_by_cells_that_continue(arguments, module, monkeypatch):
    def replace_process(program, command, environment):
        raise SystemExit(" ".join(command[2:]))

    monkeypatch.setattr(os, "execve", replace_process)
    with pytest.raises(SystemExit) as replaced:
        command_line.run(arguments)
    assert replaced.value.code == " ".join(
        [f"pipeline.{module}", *(arguments if module == "sweep" else arguments[1:])]
    )
