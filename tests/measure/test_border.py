"""Borders of curves known in closed form."""

import math

import numpy as np
import pandas as pd
import pytest

from vqlab.measure.border import borders, crossing


def test_a_line_in_log_x_is_crossed_where_it_was_drawn() -> None:
    x = np.geomspace(0.01, 1, 5)
    falling = 1 - np.log(x / 0.01) / math.log(100)  # 1 at 0.01, 0 at 1
    for level in (0.3, 0.5, 0.75):
        assert crossing(x, falling, level) == pytest.approx(0.01 * 100 ** (1 - level))
    assert crossing([0, 1, 2], [1.0, 0.6, 0.2], 0.5, log=False) == pytest.approx(1.25)


def test_the_first_fall_counts_and_a_rise_does_not() -> None:
    assert crossing([1, 2, 3, 4, 5], [0, 1, 0, 1, 0], 0.5, log=False) == pytest.approx(2.5)
    assert math.isnan(crossing([1, 2], [0.4, 0.9]))
    assert math.isnan(crossing([1, 2], [0.9, 0.6]))
    assert crossing([1, 2], [0.9, 0.5]) == pytest.approx(2)  # the level itself is reached


def test_each_group_has_its_border_and_seeds_are_averaged_first() -> None:
    rows = [
        {"rate": rate, "seed": seed, "speed": speed, "utilization": use}
        for rate in (1, 2)
        for seed, lift in ((0, 0.1), (1, -0.1))
        for speed, use in ((0.1 * rate, 0.8 + lift), (0.2 * rate, 0.4 + lift))
    ]
    found = borders(pd.DataFrame(rows), "rate")
    assert list(found.index) == [1, 2]
    # From 0.8 to 0.4, three quarters of the way.
    np.testing.assert_allclose(found, [0.1 * 2**0.75, 0.2 * 2**0.75])
    alone = borders(pd.DataFrame(rows), ["rate", "seed"])
    # 0.9 to 0.5 ends at the level; 0.7 to 0.3 is half way.
    np.testing.assert_allclose(alone.loc[1], [0.2, 0.1 * 2**0.5])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(P,\)"):
        crossing([1, 2], [1.0])
    with pytest.raises(ValueError, match="must rise"):
        crossing([2, 1], [1.0, 0.0])
    with pytest.raises(ValueError, match="must be > 0"):
        crossing([0, 1], [1.0, 0.0])
    with pytest.raises(ValueError, match="no column speed"):
        borders(pd.DataFrame({"rate": [1], "utilization": [1.0]}), "rate")
