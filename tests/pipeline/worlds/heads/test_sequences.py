"""Sequences: somebody who listens, speaks, blinks, looks about and nods, at any rate of frames."""

from dataclasses import astuple

import numpy as np
import pytest
import torch

from pipeline.worlds.heads.curves import Keyframes, bump, ease
from pipeline.worlds.heads.gaze import blinks_until, gaze_until, lids_at
from pipeline.worlds.heads.landmarks import landmark_vertices
from pipeline.worlds.heads.motion import expression_at
from pipeline.worlds.heads.sequences import render_sequence, sequence
from pipeline.worlds.heads.speech import CONSONANTS, VOWELS, speech_until
from pipeline.worlds.heads.template import template
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds

SEEDS = range(6)
SECONDS = 64
RATE = 30
TIMES = np.arange(SECONDS * RATE) / RATE
UPPER, LOWER = (474, 2984, 2982, 2981, 2934), (493, 2998, 2992, 2986, 2953)
"""Vertices of the template where the lips meet, from the middle to near the left corner."""
CORNER = 2945


def test_a_film_of_twice_the_frames_shows_the_same_moments():
    slow, camera = sequence(3, 6, fps=12.0)
    fast, faster_camera = sequence(3, 12, fps=24.0)
    assert slow == fast[::2]
    assert torch.equal(camera.cam_to_world, faster_camera.cam_to_world[::2])


def test_a_moment_does_not_depend_on_what_was_asked_before():
    first = expression_at(5, 31.5)
    for plan in (speech_until, gaze_until, blinks_until):
        plan.cache_clear()
    expression_at(5, 100.0)
    speech, blinks = speech_until(5, 100), blinks_until(5, 100)
    assert expression_at(5, 31.5) == first
    assert first != expression_at(6, 31.5)
    # A longer plan continues a shorter one.
    assert [astuple(one) for one in blinks][:10] == [astuple(b) for b in blinks_until(5, 40)][:10]
    assert speech.phrases[:8] == speech_until(5, 40).phrases[:8]


def test_everything_is_continuous():
    """Also where the next plan begins: 32 s."""
    step = 1 / 240
    for time in [*np.arange(0, 4, 0.37), 32 - step / 2]:
        now, next_ = expression_at(3, time), expression_at(3, time + step)
        names = now.actions.keys() | next_.actions.keys()
        change = [abs(now.actions.get(n, 0) - next_.actions.get(n, 0)) for n in names]
        assert max(change) < 0.15
        assert np.abs(np.subtract(now.neck, next_.neck)).max() < 0.01
        # Eyes are the fastest: 24 degrees in 80 ms.
        assert np.abs(np.subtract(now.gaze, next_.gaze)).max() < 0.05


def test_the_fastest_eye_and_lid_are_continuous_at_their_middle():
    step = 1 / 240
    gaze, (blink, *_) = gaze_until(0, SECONDS), blinks_until(0, SECONDS)
    for start in gaze.shifts()[:5]:
        path = np.array([gaze.target(start + k * step) for k in range(-4, 40)])
        jumps = np.linalg.norm(np.diff(path, axis=0), axis=1)
        assert 0.004 < jumps.max() < 0.05 and jumps[0] == 0
    covered = [blink.at(blink.start + k * step) for k in range(-4, 140)]
    assert covered[0] == covered[-1] == 0 and 0.02 < np.abs(np.diff(covered)).max() < 0.1


def test_eyes_blink_every_two_to_six_seconds_and_open_more_slowly_than_they_close():
    rates = []
    for seed in SEEDS:
        blinks = blinks_until(seed, SECONDS)
        apart = np.diff([blink.start for blink in blinks])
        assert apart.min() > 1.99 and apart.max() < 6.01
        rates.append(60 / apart.mean())
        for blink in blinks:
            assert 0.1 <= blink.closing <= 0.15 and blink.opening >= 1.6 * blink.closing
    # Between rest (17) and conversation (26), Bentivoglio et al. 1997.
    assert 17 < np.mean(rates) < 26


def test_the_lids_of_both_eyes_close_together_and_fully():
    blink = next(b for b in blinks_until(2, SECONDS) if b.depth == 1 and b.start > 0)
    middle = blink.start + blink.closing + blink.held / 2
    for time in (middle - 0.06, middle, middle + 0.1):
        actions = expression_at(2, time).actions
        assert actions["eyeBlinkLeft"] == actions["eyeBlinkRight"] == lids_at(2, time, SECONDS)
    assert lids_at(2, middle, SECONDS) == 1
    before = expression_at(2, blink.start - 0.02)
    assert before.actions.get("eyeBlinkLeft", 0) == 0


def test_blinks_often_go_with_a_shift_of_the_gaze():
    shares = []
    for seed in SEEDS:
        shifts = gaze_until(seed, SECONDS).shifts()
        starts = [blink.start for blink in blinks_until(seed, SECONDS)]
        shares.append(np.mean([start in shifts for start in starts]))
    assert 0.25 < np.mean(shares) < 0.75


def test_eyes_are_on_the_camera_most_of_the_time_and_come_back_to_it():
    for seed in SEEDS:
        gaze = gaze_until(seed, SECONDS)
        away = np.array([np.hypot(*gaze.target(time)) for time in TIMES[::3]])
        assert 0.55 < (away < 0.05).mean() < 0.95
        assert away.max() > 0.16 and gaze.shifts()
        runs = np.diff(np.flatnonzero([fixation.is_camera for fixation in gaze.fixations]))
        assert runs.max() <= 6


def test_eyes_stay_on_the_camera_while_the_head_moves():
    gaze = gaze_until(4, 32)
    found = []
    for time in TIMES[: 8 * RATE : 7]:
        if gaze.away(time) == 0 and lids_at(4, time, 32) == 0:
            one = expression_at(4, time)
            found.append((*np.mean(one.gaze, 0), *one.neck[:2]))
    eyes, neck = np.split(np.array(found), 2, axis=1)
    assert neck.std() > 0.01
    assert np.abs(eyes + neck).max() < 0.04


def test_a_head_that_is_held_still_looks_past_nothing():
    one = expression_at(4, 1.0, is_head_still=True)
    assert one.neck == (0, 0, 0)
    assert np.mean(one.gaze, 0) == pytest.approx(gaze_until(4, 32).target(1.0))


def test_the_jaw_moves_at_the_rate_of_syllables():
    """Mouths of speech have their power at 2 to 7 Hz (Chandrasekaran et al. 2009); below 1 Hz lies
    the change of talk and silence.
    """
    shares = []
    for seed in SEEDS:
        speech = speech_until(seed, SECONDS)
        jaw = np.array([speech.mouth(time).get("jawOpen", 0.0) for time in TIMES])
        power = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
        frequency = np.fft.rfftfreq(len(jaw), 1 / RATE)
        fast = (frequency >= 2) & (frequency <= 7)
        shares.append(power[fast].sum() / power[frequency >= 1].sum())
        assert power[frequency > 7].sum() < 0.1 * power[fast].sum()
    assert min(shares) > 0.6


def test_people_speak_and_are_silent():
    for seed in SEEDS:
        speech = speech_until(seed, SECONDS)
        is_speaking = np.array([speech.is_speaking(time) for time in TIMES])
        assert 0.4 < is_speaking.mean() < 0.8
        pauses = [phrase.start - phrase.since for phrase in speech.phrases]
        assert min(pauses) >= 0.3 and max(pauses) > 1.4
        silent = [phrase.start - 0.3 for phrase in speech.phrases if phrase.is_turn]
        assert silent and not any(speech.mouth(time) for time in silent if time > 0)
        rates = [
            len(phrase.frames[1:-1]) / 3 / (phrase.end - phrase.start) for phrase in speech.phrases
        ]
        assert min(rates) > 3.3 and max(rates) < 6.1


def test_lips_meet_for_m_and_b_and_open_round_for_vowels():
    """At half the way to the corner a diamond is half as open as in the middle, an ellipse 87 %."""
    closed = _opening({})[1]
    for sound in "mb":
        assert (_opening(CONSONANTS[sound][2])[1] - closed).max() < 0.005
    for sound, (_, actions) in VOWELS.items():
        place, opened = _opening(actions)
        opened = opened - closed
        assert opened[0] > 0.04, sound
        assert np.interp(0.5, place, opened) > 0.62 * opened[0], sound
    wide = {sound: _width(actions) for sound, (_, actions) in VOWELS.items()}
    assert wide["u"] < wide["o"] < wide["a"] < wide["e"]
    chin = (int(landmark_vertices()[8]),)
    assert (_moved(VOWELS["a"][1], chin) - _moved({}, chin))[0, 1] < -0.08


def test_lips_also_meet_while_they_smile():
    closed, smiles = _opening({})[1], []
    for seed in SEEDS:
        for phrase in speech_until(seed, 32).phrases:
            times = [time for time, mouth in phrase.frames if "mouthClose" in mouth]
            for time in (time for time in times[:2] if 0 < time < 31):
                actions = expression_at(seed, time).actions
                smiles.append(actions.get("mouthSmileLeft", 0.0))
                assert (_opening(actions)[1] - closed).max() < 0.005
    assert len(smiles) > 40 and max(smiles) > 0.4


def test_brows_rise_and_heads_bow_with_stress():
    brows, bows = [], []
    for seed in SEEDS[:3]:
        for stress in speech_until(seed, 32).stresses:
            if 1 < stress.time < 31:
                at = [expression_at(seed, stress.time + shift) for shift in (-0.4, 0.03)]
                brows.append([one.actions.get("browInnerUp", 0.0) for one in at])
                bows.append([one.neck[1] for one in at])
    before, now = np.mean(brows, 0)
    assert now > before + 0.05
    before, now = np.mean(bows, 0)
    assert now < before - 0.008


def test_cheeks_rise_with_the_smile_and_brows_move():
    faces = [expression_at(seed, float(time)) for seed in SEEDS for time in TIMES[:900:29]]
    named = {
        name: np.array([face.actions.get(name, 0.0) for face in faces])
        for name in ("mouthSmileLeft", "cheekSquintLeft", "browInnerUp", "browDownLeft")
    }
    assert np.corrcoef(named["mouthSmileLeft"], named["cheekSquintLeft"])[0, 1] > 0.8
    for name, values in named.items():
        assert np.percentile(values, 95) > 0.3, name


def test_curves_are_eased_and_pass_their_keyframes():
    frames = Keyframes([(0.0, {"a": 1.0}), (1.0, {"b": 2.0}), (3.0, {})])
    assert frames.at(-1.0) == {"a": 1.0} and frames.at(0.0) == {"a": 1.0, "b": 0.0}
    assert frames.at(1.0) == {"b": 2.0} and frames.at(2.0) == {"b": 1.0} and frames.at(9.0) == {}
    assert [ease(share) for share in (-1.0, 0.5, 2.0)] == [0, 0.5, 1]
    assert [bump(since, 1.0, 1.0, 1.0) for since in (0.0, 1.5, 3.0)] == [0, 1, 0]


def test_a_sequence_moves_the_camera_against_the_neck():
    expressions, camera = sequence(3, 4, fps=5.0)
    assert len(camera) == 4
    yaw = torch.atan2(camera.cam_to_world[:, 0, 3], camera.cam_to_world[:, 2, 3])
    assert torch.allclose(yaw, -torch.tensor([e.neck[0] for e in expressions]), atol=1e-6)
    world, seeds = HeadWorld(supersampling=1), WorldSeeds.of(Split.TRAIN, [4])
    views = render_sequence(world, seeds, 4, 32, fps=5.0, frames=[0, 3])
    assert views.color.shape == (2, 3, 32, 32)
    assert not torch.equal(views.landmarks[0], views.landmarks[1])
    expected = sequence(seeds.expression[0], 4, fps=5.0)[1].cam_to_world[[0, 3]]
    assert torch.equal(views.camera.cam_to_world, expected)


def _moved(actions: dict[str, float], vertices: tuple[int, ...]) -> np.ndarray:
    shape, rows = template(), list(vertices)
    moved = shape.base[rows].astype(float)
    for name, value in actions.items():
        moved += value * shape.shapes[shape.rows()[f"action/{name}"], rows]
    return moved


def _opening(actions: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Places between the lips' middle (0) and corner (1), and decimetres between the lips there."""
    upper, lower = _moved(actions, UPPER), _moved(actions, LOWER)
    return upper[:, 0] / _width(actions), upper[:, 1] - lower[:, 1]


def _width(actions: dict[str, float]) -> float:
    return float(_moved(actions, (CORNER,))[0, 0])
