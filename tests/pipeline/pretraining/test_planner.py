"""A dry run of a teacher's training: the kinds of steps, and where some hours lead."""

from pipeline.pretraining.planner import ScheduleCost, cost_table, reached, segments, step_kinds
from pipeline.pretraining.schedule import GANSchedule

SCHEDULE = GANSchedule(
    total_images=7200, growth=((0, 32), (3600, 64)), decay_images=1800, decay_floor=0.0
)
COSTS = [
    ScheduleCost(32, 0, 3600, 1.0, 8, 0.1, 1.5, None),
    ScheduleCost(64, 3600, 7200, 2.0, 8, 0.1, 1.5, None),
]


def test_a_schedule_has_a_segment_for_each_resolution_that_is_reached():
    assert segments(SCHEDULE) == [(32, 0, 3600), (64, 3600, 7200)]
    longer = GANSchedule(total_images=3600, growth=((0, 32), (3600, 64)))
    assert segments(longer) == [(32, 0, 3600)]


def test_a_schedule_is_parted_where_the_work_of_a_step_changes():
    parts = segments(SCHEDULE, (4000, 9000))
    assert parts == [(32, 0, 3600), (64, 3600, 4000), (64, 4000, 7200)]


def test_the_kinds_of_steps_make_up_all_steps():
    kinds = step_kinds(16, 4)
    assert {(step % 16 == 0, step % 4 == 0): share for share, step in kinds} == {
        (True, True): 1 / 16,
        (False, True): 3 / 16,
        (False, False): 12 / 16,
    }


def test_hours_lead_to_an_image_of_the_schedule():
    assert reached(COSTS, SCHEDULE, 0.5).startswith("after 30 min: 1800 of 7200 images, rays 32²")
    text = reached(COSTS, SCHEDULE, 2.75)  # 3600 + (2.75 - 1) · 3600 / 2
    assert "6750 of 7200 images, rays 64², learning rates × 0.25" in text
    assert text.endswith("to the end another 15 min")
    assert reached(COSTS, SCHEDULE, 3.0) == "after 3 h: all 7200 images are seen, after 3 h"


def test_the_table_adds_up():
    lines = cost_table(COSTS, SCHEDULE).splitlines()
    assert lines[1].split()[:7] == ["32²", "0", "…", "3600", "8", "1", "10%"]
    assert lines[2].split()[-4:] == ["2", "h", "3", "h"]
    assert lines[3].startswith("the training: 7200 images in 3 h")
