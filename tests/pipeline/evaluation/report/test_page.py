import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation.report.charts import Line, gap_charts, line_chart, time_chart
from pipeline.evaluation.report.csv_files import means_csv
from pipeline.evaluation.report.images import ImageBook
from pipeline.evaluation.report.maps import FULL_ERROR, error_map
from pipeline.evaluation.report.numbers import interval, number, table_texts, times
from pipeline.evaluation.report.page import page, write_report
from pipeline.evaluation.report.results_folder import read_results
from pipeline.evaluation.report.score_tables import comparison_table
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


def test_the_page_shows_the_whole_content_of_the_results(folder):
    text = (folder / "index.html").read_text()
    stored = json.loads((folder / "results.json").read_text())
    for method in stored["methods"].values():
        assert method["title"] in text
    student = stored["scores"]["student"]["all"]["psnr"]
    for value in (student["mean"], student["low"], student["high"]):
        assert f"{value:.2f}" in text
    for sentence in (
        "the file vgg16.pth isn&#39;t in weights/",
        stored["run"]["command"],
        stored["checkpoint"]["sha256"],
        "2,400×",
        "roll +10°",
    ):
        assert sentence in text
    assert "Only the 3 of 4 items with a face" in text


def test_nothing_in_the_page_points_outside(folder):
    text = (folder / "index.html").read_text()
    markup = text.replace(json.dumps(data_of(text)["images"], separators=(",", ":")), "")
    assert not re.search(
        r"https?://|//[a-z]|@import|url\((?!#)",
        re.sub(r"^//.*$|// .*$", "", markup, flags=re.MULTILINE),
    )
    assert "default-src 'none'" in text


def test_every_picture_is_in_the_page_once_and_where_its_case_says(folder):
    data = data_of((folder / "index.html").read_text())
    assert len(data["cases"]) == 4 * 3
    assert (
        len(set(data["images"])) > 4 * 3
    )  # the error maps of noise differ, the discs of a subject don't
    for case in data["cases"]:
        places = [case["input"], case["reference"], case["reference_depth"]]
        places += [
            prediction[kind]
            for prediction in case["predictions"].values()
            for kind in ("image", "error", "depth")
        ]
        assert all(data["images"][place].startswith("data:image/") for place in places)


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
        data["cases"][0]["reference"] is None
        and data["cases"][0]["predictions"]["pti"]["image"] is None
    )
    (folder / "scores.jsonl").write_text("")
    assert "Scores" in write_report(folder).read_text()


def test_markdown_has_the_same_means(folder):
    text = (folder / "report.md").read_text()
    mean = json.loads((folder / "results.json").read_text())["scores"]["pti"]["all"]["psnr"]
    assert f"| PTI | {mean['mean']:.2f} [{mean['low']:.2f} … {mean['high']:.2f}] |" in text
    assert "## Metrics not computed\n\n- LPIPS: the file vgg16.pth" in text
    assert "## By yaw gap" in text and "## Paired comparisons" in text and "## Invariance" in text


def test_csv_has_every_picture_and_every_mean(folder):
    rows = list(csv.DictReader(io.StringIO((folder / "scores.csv").read_text())))
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert [(row["method"], row["item"], float(row["psnr"])) for row in rows] == [
        (line["method"], line["item"], line["psnr"]) for line in lines
    ]
    assert (folder / rows[0]["prediction_file"]).is_file()
    means = list(csv.DictReader(io.StringIO((folder / "means.csv").read_text())))
    stored = json.loads((folder / "results.json").read_text())["scores"]
    found = {
        (mean["method"], mean["over"], mean["part"], mean["metric"]): float(mean["mean"])
        for mean in means
    }
    assert (
        found["mean_planes", "yaw gap", "15–30°", "depth"]
        == stored["mean_planes"]["by_yaw_gap"][2]["depth"]["mean"]
    )
    assert (
        found["student", "group", "dark skin", "psnr"]
        == stored["student"]["by_group"]["dark skin"]["psnr"]["mean"]
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "results.json").unlink(), "has no results.json"),
        (lambda folder: (folder / "scores.jsonl").unlink(), "has no scores.jsonl"),
        (lambda folder: (folder / "results.json").write_text("{"), "isn't JSON"),
        (
            lambda folder: (folder / "results.json").write_text('{"schema": 1}'),
            "has schema 1, this version reads 2",
        ),
        (
            lambda folder: (folder / "scores.jsonl").write_text('{"a": 1}\n'),
            "line 1 holds {'a': 1}: expected a key 'method'",
        ),
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
    book = ImageBook(budget=20_000)
    for place, picture in enumerate(noise):
        book.sources[str(place)] = lambda picture=picture: picture
    uris, full = book.encoded()
    assert 0 < full < len(noise)
    assert list(uris) == [str(place) for place in range(len(uris))]
    sizes = [len(uri) for uri in uris.values()]
    assert sum(sizes) < 20_000 * 1.4
    assert min(sizes[:full]) > max(sizes[full:], default=0)


def test_a_page_without_room_for_all_pictures_says_so(tmp_path):
    text = page(read_results(write_results(tmp_path, items=3, size=48)), budget=20_000)
    assert "The page would be too large" in text
    assert sum(map(len, data_of(text)["images"])) < 20_000 * 1.4
    assert len(text) < 20_000 * 1.4 + 75_000


def test_an_error_map_is_white_where_nothing_differs_and_darkest_beyond_the_scale(tmp_path):
    reference, seen = np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 100, np.uint8)
    seen[0, 0] += int(FULL_ERROR)
    seen[0, 1] += int(FULL_ERROR) // 2
    for name, pixels in (("reference", reference), ("seen", seen)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    brightness = (
        np.asarray(error_map(tmp_path / "seen.png", tmp_path / "reference.png")).astype(int).sum(-1)
    )
    assert brightness[1, 1] == 3 * 255
    assert brightness[0, 0] < brightness[0, 1] < brightness[1, 1]


def test_better_is_bold_whichever_way_is_up(folder):
    table = (folder / "index.html").read_text().split("<h2>Scores</h2>")[1].split("</table>")[0]
    bold = re.findall(r'<td class="best" data-value="([^"]+)"', table)
    scores = json.loads((folder / "results.json").read_text())["scores"]
    assert [float(value) for value in bold] == [
        scores["pti"]["all"]["psnr"]["mean"],
        scores["pti"]["all"]["depth"]["mean"],
    ]


def test_a_sentence_says_how_much_faster_the_student_is(tmp_path):
    text = page(read_results(write_results(tmp_path, items=1, methods=[STUDENT, MEAN, PTI])))
    assert "The student: 20 ms per lift, 2,400× faster than PTI." in text


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


def places(svg: str, colour: str) -> list[tuple[float, float]]:
    """Where a chart draws the markers of a colour, in its own units."""
    marks = re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" y="([\d.]+)" style="([^"]*)"', svg)
    return [(float(x), float(y)) for x, y, style in marks if f"var(--{colour})" in style]


def test_a_method_as_much_slower_in_decades_stands_as_far(tmp_path):
    methods = [ToyMethod(f"m{n}", f"m{n}", "inversion", 9.0 + n, 0.01 * 10**n) for n in range(3)]
    chart = time_chart(read_results(write_results(tmp_path, methods=methods)), "psnr")
    assert chart is not None
    x = [places(chart.svg, colour)[0][0] for colour in ("c0", "c1", "c4")]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    assert ">10 ms<" in chart.svg and "PSNR ↑ (dB)" in chart.svg


def test_a_chart_has_room_for_its_intervals():
    line = Line("a", [(0.0, 1.0), (1.0, 2.0)], "c0", [(0.0, 1.5), (1.0, 9.0)])
    chart = line_chart([line], x_label="x", y_label="y")
    assert chart is not None
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', chart.svg)[1])
    bars = re.findall(r'd="M [\d.]+ ([\d.]+) \nL [\d.]+ ([\d.]+) \n"[^>]*opacity: 0.5', chart.svg)
    ends = [float(end) for bar in bars for end in bar]
    assert len(ends) == 4 and all(0 < end < height for end in ends)


def test_ticks_keep_their_digits():
    line = Line("a", [(0.0, 0.005), (1.0, 0.03)], "c0")
    chart = line_chart([line], x_label="x", y_label="y")
    assert chart is not None
    ticks = re.findall(r">(0\.\d+)<", chart.svg)
    assert len(set(ticks)) == len(ticks) and "0.005" in ticks


def test_charts_are_written_the_same_each_time_and_follow_the_theme(folder):
    once, again = (gap_charts(read_results(folder))[0].svg for _ in range(2))
    assert once == again
    colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", once))
    assert colours <= {
        "none",
        *(f"var(--{name})" for name in ("ink", "soft", "line", "c0", "c1", "c4")),
    }


def test_results_of_an_earlier_version_give_a_page(tmp_path):
    folder = write_results(tmp_path, items=2)
    for name in ("results.json", "scores.jsonl"):
        text = (folder / name).read_text()
        text = text.replace('"psnr"', '"psnr_person"').replace('"subject"', '"person"')
        (folder / name).write_text(text.replace('"identities"', '"people"'))
    results = read_results(folder)
    assert results.headline == "psnr_foreground" and results.rows[0]["subject"] == "p0"
    mean = results.means("student")["psnr_foreground"]
    assert mean["identities"] == 2 and f"{mean['mean']:.2f}" in page(results)


def test_a_difference_of_a_single_identity_is_not_coloured(folder):
    results = read_results(folder)
    entry = {"first": "student", "second": "pti", "metric": "psnr", "difference": 1.0}
    entry |= {"low": 1.0, "high": 1.0, "wins": 1, "losses": 0, "ties": 0}
    styles = [
        comparison_table(results, [entry | {"identities": count}]).rows[0][2].style
        for count in (1, 2)
    ]
    assert styles == ["", "better"]


def test_a_distance_of_sets_names_its_references(tmp_path):
    folder = write_results(tmp_path, items=2, methods=[STUDENT])
    stored = json.loads((folder / "results.json").read_text())
    stored["metrics"]["fid"] = stored["metrics"]["depth"] | {"title": "FID"}
    means = stored["scores"]["student"]["all"]
    means["fid"] = {"mean": 7.0, "low": None, "high": None, "pictures": 4, "references": 6}
    (folder / "results.json").write_text(json.dumps(stored))
    text = page(read_results(folder))
    assert "4 images against 6 references" in text and "6 identities" not in text
    (row,) = csv.DictReader(
        line
        for line in means_csv(read_results(folder)).splitlines()
        if "fid" in line or "over" in line
    )
    assert (row["identities"], row["pictures"], row["references"]) == ("", "4", "6")


def test_the_interval_of_a_single_identity_is_not_shown():
    entry = {"mean": 1.0, "low": 1.0, "high": 1.0, "identities": 1}
    assert interval(entry, 2) == "" and interval(entry | {"identities": 2}, 2) == "1.00 … 1.00"
