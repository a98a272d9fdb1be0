import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import command_line
from pipeline.runs.run_folder import RunFolder
from tests.builders import process_environment

# What the console script that pip writes does, without needing it to be installed.
TRILIFT = "from pipeline.command_line import main; main()"

# Every verb is asked; the answers and the modules that were loaded go to stderr as JSON.
ASKED = """
import contextlib, io, json, sys
from pipeline import command_line
from tests import composing

composing.install()
question, answers = sys.argv[1:], {}
for name in command_line.VERBS:
    with contextlib.redirect_stdout(io.StringIO()) as answer, contextlib.suppress(SystemExit):
        command_line.run([name, *question])
    answers[name] = answer.getvalue()
json.dump([answers, list(sys.modules)], sys.stderr)
"""

GREET = '''"""Greets."""
from pipeline.build.application import verb

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
    assert set(rows) == set(command_line.VERBS)
    assert all(text.endswith(".") and len(text) > 10 for text in rows.values())
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_no_argument_shows_the_same_as_help(trilift):
    assert trilift().stdout == trilift("--help").stdout


@pytest.mark.parametrize(
    ("wrong", "meant"), [("distil", "distill"), ("pretrian", "pretrain"), ("lft", "lift")]
)
def test_the_error_for_a_misspelt_verb_names_the_nearest(trilift, wrong, meant):
    done = trilift(wrong)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == f"trilift: there is no verb '{wrong}'; did you mean '{meant}'?\n"


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
    assert done.stdout.startswith(command_line.documentation("distill"))
    assert "student: base, light" in done.stdout and "verb: distill" in done.stdout


def test_a_reader_who_has_read_enough_ends_an_answer_without_a_word(repository, tmp_path):
    asked = subprocess.Popen(
        [sys.executable, "-c", TRILIFT, "distill", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert asked.stdout is not None and asked.stderr is not None
    asked.stdout.close()
    assert asked.stderr.read() == b""
    assert asked.wait() == -signal.SIGPIPE


@pytest.mark.parametrize("question", [["--help"], ["--cfg", "job"]])
def test_a_question_about_a_verb_loads_neither_torch_nor_lightning(repository, tmp_path, question):
    done = subprocess.run(
        [sys.executable, "-c", ASKED, *question],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers, loaded = json.loads(done.stderr)
    assert {name: f"verb: {name}" in text for name, text in answers.items()} == dict.fromkeys(
        command_line.VERBS, True
    )
    assert "pipeline.sweeps.sweeper" in loaded
    heavy = {"torch", "lightning", "matplotlib", "kornia", "numpy", "joblib", "submitit", "optuna"}
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize(
    ("verb", "argument", "named"),
    [
        ("generate", "nonsense=1", "nonsense"),
        ("generate", "teacher=nothing", "Could not find 'teacher/nothing'"),
        ("distill", "callbacks.preview.people=6", "callbacks.preview.people is now"),
    ],
)
def test_a_question_with_a_wrong_setting_has_the_error_of_the_verb(
    trilift, fork_server, tmp_path, verb, argument, named
):
    question = trilift(verb, "--cfg", "job", argument)
    status = fork_server.wait(fork_server.start(verb, argument, output=tmp_path / "said"))
    said = (tmp_path / "said").read_text()
    assert question.returncode == status != 0
    assert question.stderr == said and named in said and not question.stdout


def test_an_error_of_the_user_is_one_line_and_status_2(greet):
    done = greet("raise ValueError('got 3, expected 4: count again')", "checkpoint=x", "output=y")
    assert (
        done.returncode == 2 and done.stderr == "trilift convert: got 3, expected 4: count again\n"
    )


def test_a_run_that_is_in_use_is_one_line_and_status_2(greet, tmp_path):
    with RunFolder(tmp_path / "run"):
        done = greet(
            f"from pipeline.runs.run_folder import RunFolder; RunFolder({str(tmp_path / 'run')!r})"
            ".__enter__()"
        )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"{tmp_path / 'run'} is in use by process {os.getpid()} on " in done.stderr


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


@pytest.mark.parametrize(
    "command",
    [("evaluate", "output=elsewhere", "checkpoint=missing"), ("distill", "replay=1")],
)
def test_a_run_that_does_not_begin_leaves_no_folder(fork_server, tmp_path, command):
    status = fork_server.wait(fork_server.start(*command, output=tmp_path / "said"))
    said = (tmp_path / "said").read_text()
    assert status == 2 and said.count("\n") == 1, said
    assert [file.name for file in tmp_path.iterdir()] == ["said"]


def test_the_jobs_of_a_sweep_have_numbered_folders_without_an_equals_sign(greet, tmp_path):
    body = "import pathlib; pathlib.Path(config.paths.run, 'ran').touch()"
    done = greet(
        body,
        "--multirun",
        "--config-name=distill",
        "verb=convert",  # the script's: another verb's settings are refused
        "seed=1,2",
        "name=sweep",
        "hydra/sweeper=basic",
    )
    assert done.returncode == 0, done.stderr
    files = {str(file.relative_to(tmp_path / "here")) for file in (tmp_path / "here").rglob("*")}
    assert {"runs/convert/sweep/0/ran", "runs/convert/sweep/1/ran"} <= files
    assert not any("=" in file for file in files)


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["distill", "seed=1"], "pipeline.verbs.distill seed=1"),
        (["generate", "-m", "seed=1,2"], "pipeline.verbs.generate -m seed=1,2"),
        (
            ["distill", "-m", "seed=1,2", "hydra/sweeper=basic"],
            "pipeline.verbs.distill -m seed=1,2 hydra/sweeper=basic",
        ),
    ],
)
def test_a_verb_replaces_the_command_with_its_arguments(arguments, passed, monkeypatch):
    def replace_process(program, command, environment):
        raise SystemExit(" ".join(command[2:]))

    monkeypatch.setattr(os, "execve", replace_process)
    with pytest.raises(SystemExit) as replaced:
        command_line.run(arguments)
    assert replaced.value.code == passed


@pytest.mark.parametrize(
    "arguments",
    [
        ["distill", "-m", "seed=1,2", "--table"],
        ["pretrain", "--multirun", "seed=1,2", "hydra.sweeper.only_table=true"],
        ["distill", "sweep=ablations", "experiment=laptop", "seed=0,1", "--table"],
    ],
)
def test_a_sweep_loads_neither_the_verb_nor_torch(repository, tmp_path, arguments):
    code = (
        "import sys; from pipeline import command_line;"
        f" status = command_line.run({arguments!r});"
        f" heavy = {{'torch', 'lightning', 'pipeline.verbs.{arguments[0]}'}} & set(sys.modules);"
        " sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=process_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 75, done.stderr  # no cell is finished
    assert "Not finished: `" in done.stdout


def test_a_sweeper_of_hydras_that_a_file_chooses_has_to_be_in_the_command_as_well(
    trilift, tmp_path
):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: basic\n"
    )
    done = trilift("distill", "-m", f"--config-dir={tmp_path}", "sweep=mine", "seed=1,2")
    assert done.returncode == 2
    assert "give hydra/sweeper=basic in the command as well" in done.stderr


@pytest.mark.parametrize("given", ["people=6", "+suite.people=6", "suite.people=6"])
def test_a_key_of_an_earlier_version_is_one_line_with_the_present_key(greet, given):
    done = greet("pass", "checkpoint=x", given)
    key = given.lstrip("+").partition("=")[0]
    now = key.replace("people", "identities")
    assert (done.returncode, done.stderr) == (2, f"trilift convert: {key} is now {now}\n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "10000"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
        ({"GOMP_SPINCOUNT": "5"}, "5"),
    ],
)
def test_threads_of_ours_soon_sleep_unless_the_user_says_otherwise(
    repository, tmp_path, given, expected
):
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    code = "import os, pipeline; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **given, "PYTHONPATH": str(repository)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == expected, done.stderr


def test_waiting_threads_soon_sleep_when_a_verb_has_loaded_torch(repository, tmp_path):
    code = "import pipeline.verbs.generate, torch"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OMP", "GOMP"))
    } | {"PYTHONPATH": str(repository), "OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "GOMP_SPINCOUNT = '10000'" in done.stderr, done.stderr
