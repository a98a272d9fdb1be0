"""What changes while a teacher is trained."""

import pytest

from pipeline.pretraining.schedule import GANSchedule


def test_rays_grow_at_the_given_images():
    schedule = GANSchedule(total_images=100, growth=((0, 32), (50, 64), (80, 128)))
    assert [schedule.render_resolution(seen) for seen in (0, 49, 50, 79, 80, 1000)] == [
        32,
        32,
        64,
        64,
        128,
        128,
    ]


@pytest.mark.parametrize("growth", [(), ((10, 32),), ((0, 32), (50, 64), (20, 128)), ((0, 0),)])
def test_growth_has_to_start_at_zero_and_rise(growth):
    with pytest.raises(ValueError, match="start at 0 images and rise"):
        GANSchedule(total_images=100, growth=growth)


def test_the_blur_falls_linearly_to_nothing():
    schedule = GANSchedule(total_images=100, growth=((0, 8),), blur_sigma=4.0, blur_images=20)
    assert [schedule.blur(seen) for seen in (0, 10, 20, 90)] == [4.0, 2.0, 0.0, 0.0]
    assert GANSchedule(total_images=100, growth=((0, 8),)).blur(0) == 0.0


def test_fewer_conditions_are_swapped_with_time():
    schedule = GANSchedule(
        total_images=100, growth=((0, 8),), swap_start=1.0, swap_end=0.5, swap_images=10
    )
    assert [schedule.swap_probability(seen) for seen in (0, 5, 10, 99)] == [1.0, 0.75, 0.5, 0.5]


def test_rates_fall_over_the_last_images_only():
    schedule = GANSchedule(total_images=100, growth=((0, 8),), decay_images=20, decay_floor=0.2)
    assert [schedule.learning_rate(seen) for seen in (0, 80, 90, 100, 200)] == pytest.approx(
        [1.0, 1.0, 0.6, 0.2, 0.2]
    )
    assert GANSchedule(total_images=100, growth=((0, 8),)).learning_rate(100) == 1.0
