"""What `trilift view` offers: each student and method under a name of its own."""

from pathlib import Path

from pipeline.build.configuration import compose
from pipeline.inference.pretrained import student_file
from pipeline.verbs.lift import models_of
from pipeline.verbs.view import LONG, contender_of, named_apart
from pipeline.viewer.workbench import Contender, Workbench


def contenders(*names: str) -> list[Contender]:
    config = compose("view", f"checkpoint='{names[0]}'")
    models = models_of(config)
    return named_apart([contender_of(name, config, models) for name in names], names)


def student(path: Path) -> str:
    """The address of a file that a long path leads to."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not loaded here")
    assert len(str(path)) >= LONG
    return str(path)


def test_students_whose_long_paths_end_alike_are_all_offered(tmp_path):
    runs = tmp_path / "runs_of_which_each_has_a_path_longer_than_the_page_shows"
    first, second, third = (
        student(runs / name / "student.safetensors")
        for name in ("first/stage2", "second/stage2", "third/final")
    )
    found = contenders(first, second, third, "bundled/puppets_tiny", "w")
    assert [one.name for one in found] == [
        "first stage2 student.safetensors",
        "second stage2 student.safetensors",
        "final student.safetensors",
        "bundled puppets_tiny",
        "w",
    ]
    files = [Path(first), Path(second), Path(third), student_file("bundled/puppets_tiny"), None]
    assert [one.student for one in found] == files
    bench = Workbench(found)
    bench.close()
    assert list(bench.contenders.values()) == found


def test_one_file_under_two_paths_and_names_that_differ_by_a_slash_get_numbers(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    long = student(tmp_path / "a_run_whose_path_is_longer_than_the_page_shows" / "a.safetensors")
    Path("of").mkdir()
    for name in ("of/mine.safetensors", "of mine.safetensors"):
        Path(name).write_bytes(b"not loaded here")
    again = long.replace("/a.safetensors", "//a.safetensors")
    found = contenders(long, again, "of/mine.safetensors", "of mine.safetensors")
    assert [one.name for one in found][2:] == ["of mine.safetensors", "of mine.safetensors (2)"]
    assert found[1].name == f"{found[0].name} (2)"
