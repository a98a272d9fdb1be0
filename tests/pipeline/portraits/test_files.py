"""Every photograph gets a folder of its own, whatever it is called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.portraits.files import find_photographs, folder_names


def names(*files: str) -> list[str]:
    return folder_names([Path(file) for file in files])


def test_a_folder_is_called_after_the_photograph():
    assert names("a/anna.jpg", "a/Zoë 2.png") == ["anna", "Zoë 2"]


def test_photographs_with_the_same_stem_get_different_folders():
    assert names("anna.jpg", "anna.png", "ANNA.webp", "bo.jpg") == [
        "anna_jpg",
        "anna_png",
        "ANNA_webp",
        "bo",
    ]
    assert names("x/a.jpg", "y/a.jpg") == ["a_jpg", "a_jpg_2"]
    assert names("a_jpg.png", "a.jpg", "a.png") == ["a_jpg", "a_jpg_2", "a_png"]


def test_characters_that_hydra_and_file_systems_mind_are_replaced():
    assert names("yaw=3:b*.png", "...png", "new\nline.png") == [
        "yaw-3-b-",
        "photograph",
        "new-line",
    ]


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=("Cs",)),
            min_size=1,
            max_size=6,
        ),
        unique=True,
        max_size=6,
    )
)
def test_names_never_collide_and_never_leave_the_folder(files):
    made = names(*files)
    assert len({name.casefold() for name in made}) == len(files)
    for name in made:
        assert name not in ("", ".", "..") and not {"/", "\\", "=", "\n", ":"} & set(name)


def test_a_folder_is_searched_without_its_hidden_files_and_subfolders(tmp_path):
    for name in ("b.png", "a.txt", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "c").mkdir()
    assert find_photographs(tmp_path) == [tmp_path / "a.txt", tmp_path / "b.png"]
    assert find_photographs(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_nothing_to_lift_is_said_at_once(tmp_path):
    with pytest.raises(ValueError, match="holds no files"):
        find_photographs(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_photographs(tmp_path / "gone")
