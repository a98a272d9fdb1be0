from pipeline.runs.curves import read_curves, smoothed


def test_a_resumed_run_replaces_the_steps_that_it_repeats(tmp_path):
    for version, text in ((0, "step,loss,psnr\n1,5.0,\n2,4.0,9\n3,9.9,\n"), (10, "step,loss\n3,3")):
        folder = tmp_path / f"version_{version}"
        folder.mkdir()
        (folder / "metrics.csv").write_text(text)
    assert read_curves(tmp_path) == {
        "loss": [(1.0, 5.0), (2.0, 4.0), (3.0, 3.0)],
        "psnr": [(2.0, 9.0)],
    }


def test_a_line_that_a_kill_left_unfinished_is_skipped(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2.0\n2,\nnan?,3\n")
    assert read_curves(tmp_path) == {"loss": [(1.0, 2.0)]}


def test_a_smoothed_curve_keeps_its_mean_and_has_few_points():
    curve = [(float(step), float(step % 2)) for step in range(120)]
    short = smoothed(curve, points=60)
    assert len(short) == 60 and all(value == 0.5 for _, value in short)
