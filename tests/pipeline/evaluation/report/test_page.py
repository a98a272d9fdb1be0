import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation.report.chart import Line, line_chart
from pipeline.evaluation.report.maps import FULL_ERROR, error_map
from pipeline.evaluation.report.numbers import number, table_texts, times
from pipeline.evaluation.report.page import page, write_report
from pipeline.evaluation.report.pictures import PictureBook
from pipeline.evaluation.report.results_folder import read_results
from pipeline.evaluation.report.scatter import Point, speed_chart
from tests.pipeline.evaluation.toy_results import MEAN, PTI, STUDENT, ToyMethod, write_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_results(tmp_path_factory.mktemp("evaluation"), missed=[1])
    write_report(folder)
    return folder


def data_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_page_tells_everything_that_the_results_say(folder):
    text = (folder / "index.html").read_text()
    told = json.loads((folder / "results.json").read_text())
    for method in told["methods"].values():
        assert method["title"] in text
    student = told["scores"]["student"]["all"]["psnr"]
    for value in (student["mean"], student["low"], student["high"]):
        assert f"{value:.2f}" in text
    for sentence in (
        "the file vgg16.pth isn&#x27;t in weights/",
        told["run"]["command"],
        told["checkpoint"]["sha256"],
        "2,400×",
        "roll +10°",
    ):
        assert sentence in text
    assert "Only the 3 of 4 in which a face was found" in text


def test_nothing_in_the_page_points_outside(folder):
    text = (folder / "index.html").read_text()
    markup = text.replace(json.dumps(data_of(text)["pictures"], separators=(",", ":")), "")
    assert not re.search(
        r"https?://|//[a-z]|@import|url\(", re.sub(r"^//.*$|// .*$", "", markup, flags=re.MULTILINE)
    )
    assert "default-src 'none'" in text


def test_every_picture_is_in_the_page_once_and_where_its_case_says(folder):
    data = data_of((folder / "index.html").read_text())
    assert len(data["cases"]) == 4 * 3
    assert (
        len(set(data["pictures"])) > 4 * 3
    )  # the error maps of noise differ, the discs of a subject don't
    for case in data["cases"]:
        places = [case["input"], case["truth"], case["true_depth"]]
        places += [
            answer[kind]
            for answer in case["answers"].values()
            for kind in ("prediction", "error", "depth")
        ]
        assert all(data["pictures"][place].startswith("data:image/") for place in places)


def test_text_of_others_can_neither_end_the_script_nor_become_markup(tmp_path):
    evil = ToyMethod("student", "</script><b>x</b>&amp;", "student", 10.0, 0.1)
    text = page(read_results(write_results(tmp_path, items=2, methods=[evil])))
    assert "</script><b>" not in text
    assert data_of(text)["methods"][0]["title"] == evil.title


def test_the_report_can_be_written_again_without_pictures_and_without_rows(tmp_path):
    folder = write_results(tmp_path, items=2)
    for path in (folder / "pictures").rglob("*.png"):
        path.unlink()
    data = data_of(write_report(folder).read_text())
    assert (
        data["cases"][0]["truth"] is None
        and data["cases"][0]["answers"]["pti"]["prediction"] is None
    )
    (folder / "scores.jsonl").write_text("")
    assert "Scores" in write_report(folder).read_text()


def test_markdown_has_the_same_means(folder):
    text = (folder / "report.md").read_text()
    mean = json.loads((folder / "results.json").read_text())["scores"]["pti"]["all"]["psnr"]
    assert f"| PTI | {mean['mean']:.2f} [{mean['low']:.2f} … {mean['high']:.2f}] |" in text
    assert "## Not computed\n\n- LPIPS: the file vgg16.pth" in text
    assert "## By yaw gap" in text and "## Paired comparisons" in text and "## Invariance" in text


def test_csv_has_every_picture_and_every_mean(folder):
    rows = list(csv.DictReader(io.StringIO((folder / "scores.csv").read_text())))
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert [(row["method"], row["item"], float(row["psnr"])) for row in rows] == [
        (line["method"], line["item"], line["psnr"]) for line in lines
    ]
    assert (folder / rows[0]["prediction_file"]).is_file()
    means = list(csv.DictReader(io.StringIO((folder / "means.csv").read_text())))
    told = json.loads((folder / "results.json").read_text())["scores"]
    found = {
        (mean["method"], mean["over"], mean["part"], mean["metric"]): float(mean["mean"])
        for mean in means
    }
    assert (
        found["mean_planes", "yaw gap", "15–30°", "depth"]
        == told["mean_planes"]["by_yaw_gap"][2]["depth"]["mean"]
    )
    assert (
        found["student", "group", "dark skin", "psnr"]
        == told["student"]["by_group"]["dark skin"]["psnr"]["mean"]
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "results.json").unlink(), "has no results.json"),
        (lambda folder: (folder / "scores.jsonl").unlink(), "has no scores.jsonl"),
        (lambda folder: (folder / "results.json").write_text("{"), "is damaged"),
        (
            lambda folder: (folder / "results.json").write_text('{"schema": 1}'),
            "has schema 1, this version reads 2",
        ),
        (lambda folder: (folder / "scores.jsonl").write_text('{"a": 1}\n{"b'), "line 2 is damaged"),
        (lambda folder: (folder / "pictures/truth/p0_0.png").write_text("no"), "can't be shown"),
    ],
)
def test_a_folder_that_is_no_evaluation_is_refused_in_one_line(tmp_path, spoil, said):
    spoil(write_results(tmp_path, items=1))
    with pytest.raises(ValueError, match=said) as raised:
        write_report(tmp_path)
    assert "\n" not in str(raised.value)


def test_pictures_keep_within_the_budget_and_the_first_are_the_large_ones():
    noise = [
        Image.fromarray(np.random.default_rng(n).integers(0, 255, (256, 256, 3), dtype=np.uint8))
        for n in range(12)
    ]
    book = PictureBook(budget=20_000)
    for place, picture in enumerate(noise):
        book.add(str(place), lambda picture=picture: picture)
    uris, full = book.encoded()
    assert 0 < full < len(noise)
    assert list(uris) == [str(place) for place in range(len(uris))]
    sizes = [len(uri) for uri in uris.values()]
    assert sum(sizes) < 20_000 * 1.4
    assert min(sizes[:full]) > max(sizes[full:], default=0)


def test_a_page_without_room_for_all_pictures_says_so(tmp_path):
    text = page(read_results(write_results(tmp_path, items=3, size=48)), budget=20_000)
    assert "The page would be too large" in text
    assert len(text) < 20_000 * 1.4 + 60_000


def test_an_error_map_is_white_where_nothing_differs_and_darkest_beyond_the_scale(tmp_path):
    truth, seen = np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 100, np.uint8)
    seen[0, 0] += int(FULL_ERROR)
    seen[0, 1] += int(FULL_ERROR) // 2
    for name, pixels in (("truth", truth), ("seen", seen)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    brightness = (
        np.asarray(error_map(tmp_path / "seen.png", tmp_path / "truth.png")).astype(int).sum(-1)
    )
    assert brightness[1, 1] == 3 * 255
    assert brightness[0, 0] < brightness[0, 1] < brightness[1, 1]


def test_better_is_bold_whichever_way_is_up(folder):
    table = (folder / "index.html").read_text().split("<h2>Scores</h2>")[1].split("</table>")[0]
    bold = re.findall(r'<td class=best data-value="([^"]+)"', table)
    scores = json.loads((folder / "results.json").read_text())["scores"]
    assert [float(value) for value in bold] == [
        scores["pti"]["all"]["psnr"]["mean"],
        scores["pti"]["all"]["depth"]["mean"],
    ]


def test_a_sentence_says_how_much_faster_the_student_is(tmp_path):
    text = page(read_results(write_results(tmp_path, items=1, methods=[STUDENT, MEAN, PTI])))
    assert "A lift takes the student 20 ms: measured 2,400× as fast as PTI." in text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (number(-0.5, 2), "−0.50"),
        (number(0.5, 1, signed=True), "+0.5"),
        (number(float("inf"), 1), "–"),
        (times(2.44), "2.4×"),
        (times(2431.0), "2,430×"),
    ],
)
def test_numbers_read_well(shown, text):
    assert shown == text


def test_the_cells_of_a_column_have_the_same_digits():
    assert table_texts([["roll", 6.009, 3], ["crop", -0.04476, 12], ["flip", None, None]]) == [
        ["roll", "6.009", "3"],
        ["crop", "−0.045", "12"],
        ["flip", "–", "–"],
    ]


def test_a_method_twice_as_slow_in_decades_stands_twice_as_far():
    points = [
        Point("a", 0.01, 1.0, "c0"),
        Point("b", 0.1, 2.0, "c1"),
        Point("c", 1.0, 3.0, "c2", (2.5, 3.5)),
    ]
    chart = speed_chart(points, y_label="PSNR")
    x = [float(place) for place in re.findall(r'<circle cx="([\d.]+)"', chart)]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    assert "10 ms" in chart and "1 s" in chart


def test_a_chart_has_room_for_its_intervals():
    chart = line_chart(
        [Line("a", [(0.0, 1.0), (1.0, 2.0)], "c0", [(0.0, 1.5), (1.0, 9.0)])],
        x_label="x",
        y_label="y",
    )
    ends = [float(end) for bar in re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", chart) for end in bar]
    assert len(ends) == 4 and all(0 <= end <= 220 for end in ends)
