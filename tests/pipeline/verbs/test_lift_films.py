"""`trilift lift` of a film: a film with as many frames at the same times, and the same sound."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.inference import film, film_container, film_files
from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.inference.triplane_file import read_triplane
from pipeline.runs.trust import VARIABLE
from pipeline.verbs import lift
from tests.films import heard_samples, shown_frames, shown_times, with_landmarks, write_film

SIDE = 40


def moving(count: int, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """A disc whose colour changes, on grey."""
    frames = []
    rows, columns = np.mgrid[: size[1], : size[0]]
    for row in range(count):
        pixels = np.full((size[1], size[0], 3), 120, np.uint8)
        inside = (columns - 40 - row % 8) ** 2 + (rows - 32) ** 2 < 14**2
        pixels[inside] = (200, 20 * (row % 12), 60)
        frames.append(pixels)
    return frames


def places(count: int) -> list[tuple[float, float] | None]:
    return [(40.0 + row % 8, 32.0) for row in range(count)]


def run(student: Path, source: Path, output: Path, *overrides: str) -> int:
    settings = (f"input={source}", f"output={output}", f"checkpoint={student}")
    try:
        lift.main(compose("lift", *settings, "portraits=landmarks", "film.side=32", *overrides))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as film_file:
        shown = [frame.to_ndarray(format="rgb24") for frame in film_file.decode(video=0)]
    return np.stack(shown).astype(int)


def test_frames_keep_their_uneven_times_and_the_sound_its_samples(untrained_student, tmp_path):
    ticks = [0, 3000, 9000, 9100, 18_000, 40_000, 43_600, 47_200]
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(8), ticks=ticks), places(8), SIDE)
    out = tmp_path / "out"
    assert run(untrained_student, clip, out, "film.piece=3", "film.side_by_side=true") == 0
    made = out / "a" / "film.mp4"
    assert shown_times(made) == ticks == shown_times(clip)
    assert np.array_equal(heard_samples(made), heard_samples(clip))
    assert shown_frames(made).shape == (8, 32, 64, 3)
    lines = [json.loads(line) for line in (out / "a" / "frames.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(8)) and lines[3]["face_found"]
    assert {path.name for path in (out / "a").iterdir()} == {
        "film.mp4",
        "film.json",
        "frames.jsonl",
    } and [path.name for path in out.iterdir()] == ["a"]


def test_sound_that_mp4_has_no_place_for_becomes_aac_and_is_cut_with_the_film(
    untrained_student, tmp_path, capsys
):
    clip = with_landmarks(
        write_film(tmp_path / "a.mkv", moving(12), sound="pcm_s16le"), places(12), SIDE
    )
    assert run(untrained_student, clip, tmp_path / "out", "portraits.most=10") == 0
    made = tmp_path / "out" / "a" / "film.mp4"
    assert len(shown_times(made)) == 10 and "it is AAC now" in capsys.readouterr().out
    heard, given = heard_samples(made), heard_samples(clip)
    assert len(heard) / 48_000 == pytest.approx(0.4, abs=0.03)
    assert np.abs(heard[: len(given)] - given[: len(heard)]).mean() < 0.01


def test_a_phone_s_film_is_lifted_upright(untrained_student, tmp_path):
    stored = [np.rot90(frame) for frame in moving(3)]  # 64 wide, 96 high
    one = 0x10000
    matrix = (0, one, 0, -one, 0, 0, 96 * one, 0, 0x40000000)
    clip = write_film(tmp_path / "a.mp4", stored, sound=None, matrix=matrix)
    with_landmarks(clip, places(3), SIDE)
    assert run(untrained_student, clip, tmp_path / "out", "film.side_by_side=true") == 0
    left = shown_frames(tmp_path / "out" / "a" / "film.mp4")[:, :, :32]
    assert (left[:, 16, 16, 0] > 150).all() and (abs(left[:, 2, 2].astype(int) - 120) < 12).all()


def test_while_the_face_is_lost_the_last_head_stays(
    untrained_student, tmp_path, capsys, monkeypatch
):
    seen = places(16)
    seen[3:13] = [None] * 10
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(16), sound=None), seen, SIDE)
    render, shown = LiftedPortrait.render, []
    monkeypatch.setattr(
        LiftedPortrait,
        "render",
        lambda head, camera: shown.append(head.triplane.planes) or render(head, camera),
    )
    settings = ("film.camera.kind=counter", "film.batch=5", "film.piece=8", "film.frames=true")
    assert run(untrained_student, clip, tmp_path / "out", *settings) == 0
    assert "no face in 10 of 16 frames" in capsys.readouterr().out
    stays = [torch.allclose(planes, shown[2], rtol=0, atol=1e-6) for planes in shown]
    assert stays == [False] * 2 + [True] * 11 + [False] * 3
    kept = tmp_path / "out" / "a" / "frames"
    planes = sorted(path.stem for path in kept.glob("*.safetensors"))
    assert planes == [f"{row:05d}" for row in (0, 1, 2, 13, 14, 15)]
    triplane, passport = read_triplane(kept / "00014.safetensors")
    assert torch.equal(triplane.planes, shown[14]) and passport.name == "spheres"


@pytest.mark.parametrize(
    ("method", "lost"),
    [("fused", ()), ("fused", (4, 5, 6, 7)), ("student", (4, 5, 6, 7))],
    ids=["fused, all seen", "fused, lost between pieces", "student, lost between pieces"],
)
def test_a_film_that_was_interrupted_goes_on_and_ends_as_the_same_film(
    untrained_student, tmp_path, monkeypatch, lost, method, capsys
):
    seen = [None if row in lost else place for row, place in enumerate(places(12))]
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(12)), seen, SIDE)
    settings = ("film.piece=5", "film.batch=3", "film.camera.kind=orbit", f"method={method}")
    assert run(untrained_student, clip, tmp_path / "whole", *settings) == 0
    write, lifted = film_container.write_piece, []
    count = Reconstructor.lift_batch

    def stopped(path, frames, ticks):
        if path.stem == f"{5:08d}":
            next(frames)
            raise KeyboardInterrupt
        write(path, frames, ticks)

    monkeypatch.setattr(film, "write_piece", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(untrained_student, clip, tmp_path / "parts", *settings)
    monkeypatch.setattr(film, "write_piece", write)
    monkeypatch.setattr(
        Reconstructor, "lift_batch", lambda *given: lifted.append(len(given[1])) or count(*given)
    )
    assert run(untrained_student, clip, tmp_path / "parts", *settings) == 0
    whole, parts = (tmp_path / name / "a" / "film.mp4" for name in ("whole", "parts"))
    assert shown_times(whole) == shown_times(parts)
    # Not the same bytes: the encoder's threads share the work as the machine lets them.
    assert np.abs(pictures(whole) - pictures(parts)).max() <= 8
    # The first piece isn't lifted again; its last head is, unless it is remembered.
    assert sum(lifted) == (7 if not lost else 5 - (method == "fused"))
    lifted.clear()
    capsys.readouterr()
    assert run(untrained_student, clip, tmp_path / "parts", *settings) == 0
    assert not lifted and "was done already" in capsys.readouterr().out
    assert run(untrained_student, clip, tmp_path / "parts", *settings, "label=true") == 0
    assert lifted and whole.read_bytes() != parts.read_bytes()


@pytest.fixture
def tracked(monkeypatch) -> list[Path]:
    """The films that were tracked since."""
    found: list[Path] = []
    follow = film_files.followed
    monkeypatch.setattr(
        film_files, "followed", lambda file, *a, **k: found.append(file) or follow(file, *a, **k)
    )
    return found


def test_a_film_whose_faces_are_all_done_is_not_tracked_again(
    untrained_student, tmp_path, tracked, capsys
):
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(2)), places(2), SIDE)
    folder, left_over = tmp_path / "out" / "a", tmp_path / "out" / ".a.track"
    assert run(untrained_student, clip, folder.parent) == 0 and len(tracked) == 1
    facts = json.loads((folder / "film.json").read_text())
    assert facts["faces"] == 1
    left_over.write_bytes(b"of a command that was interrupted at its very end")
    assert run(untrained_student, clip, folder.parent) == 0 and len(tracked) == 1
    assert "was done already" in capsys.readouterr().out and not left_over.exists()
    shutil.copytree(folder, tmp_path / "out" / "a+face2")
    (folder / "film.json").write_text(json.dumps({**facts, "faces": 2}))
    assert run(untrained_student, clip, folder.parent) == 0 and len(tracked) == 1
    said = capsys.readouterr().out.splitlines()[-2:]
    assert [line.count("was done already") for line in said] == [1, 1] and "a+face2" in said[1]
    for faces in (3, None, True, "many"):  # one is missing; earlier versions; no number
        (folder / "film.json").write_text(json.dumps({**facts, "faces": faces}))
        tracked.clear()
        assert run(untrained_student, clip, folder.parent) == 0 and len(tracked) == 1
        assert "was done already" in capsys.readouterr().out


def turning(count: int) -> list[list[list[float]]]:
    """Five points of a face that turns to its right and leans, for each frame."""
    face = np.array([[-0.18, -0.16], [0.18, -0.16], [0.0, 0.05], [-0.14, 0.22], [0.14, 0.22]])
    frames = []
    for row in range(count):
        points, lean = face.copy(), 0.02 * row
        points[2, 0] += 0.012 * row
        turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
        frames.append((points @ turn * SIDE + (44, 32)).tolist())
    return frames


@pytest.mark.parametrize("kind", ["fixed", "follow"])
def test_the_head_of_a_mirrored_film_turns_the_other_way(
    untrained_student, tmp_path, monkeypatch, kind
):
    clip = write_film(tmp_path / "a.mp4", moving(6), sound=None)
    clip.with_suffix(".json").write_text(json.dumps({"frames": turning(6)}))
    render, cameras, rows = LiftedPortrait.render, {}, {}
    for name in ("plain", "mirror"):
        seen = cameras[name] = []
        monkeypatch.setattr(
            LiftedPortrait,
            "render",
            lambda head, camera, seen=seen: seen.append(camera) or render(head, camera),
        )
        given = (f"film.camera.kind={kind}", *(["hooks=[mirror]"] * (name == "mirror")))
        assert run(untrained_student, clip, tmp_path / name, *given) == 0
        lines = (tmp_path / name / "a" / "frames.jsonl").read_text().splitlines()
        rows[name] = [json.loads(line) for line in lines]
    for plain, mirrored in zip(cameras["plain"], cameras["mirror"], strict=True):
        torch.testing.assert_close(mirrored.label(), plain.mirrored().label())
    ends = [cameras[name][-1].cam_to_world[0, 0, 3] for name in ("plain", "mirror")]
    assert ends[0] * ends[1] < -1e-4
    angles = [np.array([row["yaw_pitch_roll_deg"] for row in rows[name]]) for name in rows]
    assert np.abs(angles[0][-1, 0]) > 3
    np.testing.assert_allclose(angles[1], angles[0] * (-1, 1, -1), atol=1e-9)
    assert [row["crop"] for row in rows["mirror"]] == [row["crop"] for row in rows["plain"]]


def test_a_camera_that_needs_angles_refuses_a_hook_that_does_not_say_them(
    untrained_student, tmp_path, tracked, lab, monkeypatch, capsys
):
    monkeypatch.setenv(VARIABLE, "my_lab")
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(2), sound=None), places(2), SIDE)
    given = (lab, "hooks=[gaze]", "film.camera.kind=follow")
    assert run(untrained_student, clip, tmp_path / "out", *given) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "hook 'gaze' (my_lab.hooks." in said and "use counter or orbit" in said
    assert not tracked and not list((tmp_path / "out").iterdir())
    assert run(untrained_student, clip, tmp_path / "out", lab, "hooks=[gaze]") == 0
    rows = (tmp_path / "out" / "a" / "frames.jsonl").read_text().splitlines()
    assert [json.loads(row)["yaw_pitch_roll_deg"] for row in rows] == [None, None]


def test_a_lost_face_of_zeros_is_no_face_and_ends_no_folder(untrained_student, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a", "b"):
        clip = write_film(source / f"{name}.mp4", moving(4), sound=None)
        frames = [[[0.0, 0.0]] * 5, *turning(4)[1:]] if name == "a" else turning(4)
        clip.with_suffix(".json").write_text(json.dumps({"frames": frames}))
    assert run(untrained_student, source, tmp_path / "out") == 0
    assert "no face in 1 of 4 frames" in capsys.readouterr().out
    rows = (tmp_path / "out" / "a" / "frames.jsonl").read_text().splitlines()
    found = [json.loads(row)["face_found"] for row in rows]
    assert found == [False, True, True, True] and (tmp_path / "out" / "b" / "film.mp4").is_file()


@pytest.mark.parametrize("is_apart", [False, True], ids=["beside", "in a folder"])
def test_a_film_is_lifted_again_with_new_landmarks_only(
    untrained_student, tmp_path, is_apart, capsys
):
    apart, out = tmp_path / "landmarks", tmp_path / "out"
    apart.mkdir()
    clip = write_film(tmp_path / "a.mp4", moving(2), sound=None)
    settings = (f"portraits.framing.detector.folder={apart}",) if is_apart else ()
    lefts, notes = [], []
    for shift in (0, 12, 12):
        marked = [(x + shift, y) for x, y in places(2)]
        with_landmarks(apart / "a.mp4" if is_apart else clip, marked, SIDE)
        assert run(untrained_student, clip, out, *settings) == 0
        row = json.loads((out / "a" / "frames.jsonl").read_text().splitlines()[0])
        lefts.append(row["crop"][0])
        notes.append("was done already" in capsys.readouterr().out)
    assert lefts[1] - lefts[0] == pytest.approx(12, abs=0.01)
    assert notes == [False, False, True]


def test_what_is_remembered_ends_at_a_cut(untrained_student, tmp_path, monkeypatch):
    """After 0.6 s without a frame another face may be there: nothing of the one before is kept."""
    ticks = [0, 3600, 7200, 61_200, 64_800, 68_400]
    clip = write_film(tmp_path / "a.mp4", moving(6), ticks=ticks, sound=None)
    with_landmarks(clip, places(6), SIDE)
    render, shown = LiftedPortrait.render, {"student": [], "fused": []}
    for method, planes in shown.items():
        monkeypatch.setattr(
            LiftedPortrait,
            "render",
            lambda head, camera, planes=planes: (
                planes.append(head.triplane.planes) or render(head, camera)
            ),
        )
        given = (f"method={method}", "film.batch=4")
        assert run(untrained_student, clip, tmp_path / method, *given) == 0
    pairs = zip(shown["student"], shown["fused"], strict=True)
    same = [torch.allclose(one, other, atol=1e-6) for one, other in pairs]
    assert same == [True, False, False, True, False, False]


def test_two_faces_become_two_films_by_the_networks(untrained_student, tmp_path):
    from skimage import data

    face = np.asarray(Image.fromarray(data.astronaut()[:230, 110:340]).resize((128, 128)))
    pair = np.concatenate([face, face[:, ::-1]], 1)
    clip = write_film(tmp_path / "pair.mp4", [np.roll(pair, row, 0) for row in range(3)])
    given = ("portraits=facemesh", "portraits.framing.faces=all", "film.side_by_side=true")
    assert run(untrained_student, clip, tmp_path / "out", *given) == 0
    left, right = tmp_path / "out" / "pair", tmp_path / "out" / "pair+face2"
    crops = []
    for folder in (left, right):
        rows = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
        assert [row["face_found"] for row in rows] == [True] * 3
        crops.append(rows[0])
        assert np.array_equal(heard_samples(folder / "film.mp4"), heard_samples(clip))
    (one, other), (yaw, mirrored) = zip(
        *((row["crop"][0] + row["crop"][2] / 2, row["yaw_pitch_roll_deg"][0]) for row in crops),
        strict=True,
    )
    assert one + other == pytest.approx(256, abs=6)  # mirror images
    assert yaw == pytest.approx(-mirrored, abs=4)


def test_a_labelled_film_is_signed_after_its_last_byte(untrained_student, tmp_path):
    pytest.importorskip("c2pa")
    from pipeline.manifests.certificate import PRIVATE_KEY, make_credential
    from pipeline.manifests.verification import verify

    make_credential(tmp_path / "signing", "A test")
    certificate, key = (tmp_path / "signing" / name for name in ("certificate.pem", PRIVATE_KEY))
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(2)), places(2), SIDE)
    signing = (f"signing.certificate={certificate}", f"signing.private_key={key}")
    given = ("label=true", "provenance=c2pa", "film.side=256", *signing)
    assert run(untrained_student, clip, tmp_path / "out", *given) == 0
    made = tmp_path / "out" / "a" / "film.mp4"
    assert verify(made).state == "untrusted" and len(shown_times(made)) == 2
    corner = shown_frames(made)[:, -6:, :90].astype(int)
    assert (corner.min((1, 2, 3)) < 60).all() and (corner.max((1, 2, 3)) > 200).all()


def test_a_film_signs_itself_and_nothing_else_in_its_folder(untrained_student, tmp_path):
    pytest.importorskip("c2pa")
    from pipeline.manifests.certificate import PRIVATE_KEY, make_credential
    from pipeline.manifests.verification import verify

    make_credential(tmp_path / "signing", "A test")
    certificate, key = (tmp_path / "signing" / name for name in ("certificate.pem", PRIVATE_KEY))
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(2)), places(2), SIDE)
    others = [tmp_path / "out" / "a" / name for name in ("sheet.png", "holiday.jpg")]
    others[0].parent.mkdir(parents=True)
    for other in others:
        Image.new("RGB", (8, 8)).save(other)
    before = [other.read_bytes() for other in others]
    signing = (f"signing.certificate={certificate}", f"signing.private_key={key}")
    assert run(untrained_student, clip, tmp_path / "out", "provenance=c2pa", *signing) == 0
    assert verify(others[0].with_name("film.mp4")).state == "untrusted"
    assert [other.read_bytes() for other in others] == before


def test_frames_of_another_film_do_not_lie_among_those_that_are_kept(untrained_student, tmp_path):
    clip = with_landmarks(write_film(tmp_path / "a.mp4", moving(4)), places(4), SIDE)
    frames = tmp_path / "out" / "a" / "frames"
    for every, kept in (1, (0, 1, 2, 3)), (2, (0, 2)):
        given = ("film.frames=true", f"portraits.every={every}")
        assert run(untrained_student, clip, tmp_path / "out", *given) == 0
        names = {f"{row:05d}{suffix}" for row in kept for suffix in (".png", ".safetensors")}
        assert {path.name for path in frames.iterdir()} - {"notes.txt"} == names
        (frames / "notes.txt").write_text("of the user")
    assert run(untrained_student, clip, tmp_path / "out", "portraits.every=1") == 0
    assert len(list(frames.iterdir())) == 4 + 1  # not asked for: those from before stay


def test_films_that_can_t_be_lifted_get_a_line_each(untrained_student, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    (source / "broken.mp4").write_bytes(b"no film")
    with_landmarks(write_film(source / "empty.mp4", moving(2), sound=None), [None, None], SIDE)
    with_landmarks(write_film(source / "good.mp4", moving(2), sound=None), places(2), SIDE)
    odd = with_landmarks(write_film(source / "odd.mp4", moving(2)), places(2), SIDE)
    odd.write_bytes(odd.read_bytes().replace(b"avc1", b"zzzz"))
    silenced = write_film(source / "silenced.mov", moving(2), sound="pcm_s16le")
    with_landmarks(silenced, places(2), SIDE)
    silenced.write_bytes(silenced.read_bytes().replace(b"sowt", b"zzzz"))
    write_film(source / "unmarked.mp4", moving(2), sound=None)
    assert run(untrained_student, source, tmp_path / "out") == 1
    complaints = capsys.readouterr()
    lines = complaints.err.splitlines()
    said = {Path(line.split(": ")[0]).name: line for line in lines}
    assert list(said) == ["broken.mp4", "empty.mp4", "odd.mp4", "unmarked.mp4"]
    assert "damaged film" in said["broken.mp4"]
    assert "no face found in 2 frames" in said["empty.mp4"]
    assert "FFmpeg can't decode" in said["odd.mp4"]
    assert "no landmarks" in said["unmarked.mp4"]
    assert "1 of 1 tracks of sound left out" in complaints.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good", "silenced"}


def test_without_landmarks_a_camera_that_needs_them_says_so(untrained_student, tmp_path, capsys):
    clip = write_film(tmp_path / "a.mp4", moving(2, (64, 64)), sound=None)
    given = ("portraits=whole", "film.camera.kind=fixed")
    assert run(untrained_student, clip, tmp_path / "out", *given) == 2
    assert "film.camera.kind=counter" in capsys.readouterr().err
    assert run(untrained_student, clip, tmp_path / "out", "portraits=whole") == 0
