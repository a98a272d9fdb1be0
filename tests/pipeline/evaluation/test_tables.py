import json
import math

import pytest

from pipeline.evaluation.tables import table, text_of


def test_a_table_is_plain_json_and_readable_on_a_terminal():
    extra = table(
        "who", ["name", "error"], [["student", 0.123456789], ["other", math.inf]], ["a note"]
    )
    assert json.loads(json.dumps(extra, allow_nan=False))["table"]["rows"] == [
        ["student", 0.12346],
        ["other", None],
    ]
    assert text_of(extra).splitlines() == [
        "who",
        "name      error",
        "student  0.1235",
        "other         –",
        "· a note",
    ]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="1 cells in the table 'who' of 2 columns"):
        table("who", ["name", "error"], [["student"]])
