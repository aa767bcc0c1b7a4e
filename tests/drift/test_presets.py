"""Presets: the numbers of the paper's toy."""

import math

import numpy as np
import pytest

from vqlab.drift.motions import Motion
from vqlab.drift.presets import preset, presets


def _at(name, t):
    settings = preset(name)
    points = settings["source"].sample(settings["points"], np.random.default_rng(0))
    return points, settings["motion"].move(points, t)


@pytest.mark.parametrize("name", ["paper-shrink", "paper-translate", "paper-expand"])
def test_the_paper_toy_in_numbers(name):
    settings = preset(name)
    assert settings["codebook_size"] == 16 and settings["batch"] == 64 and settings["steps"] == 240
    assert math.ceil(settings["points"] / settings["batch"]) == 24  # iterations per epoch
    assert settings["steps"] / 24 == 10  # epochs
    target = _at(name, 1e6)[1]
    for t in (0, 1, 7, 23):
        now, following = _at(name, t)[1], _at(name, t + 1)[1]
        assert following - target == pytest.approx(0.8 * (now - target), abs=1e-12)
    left = np.abs(_at(name, 24)[1] - target).max() / np.abs(_at(name, 0)[1] - target).max()
    assert left < 0.005  # all drift falls into the first epoch


def test_targets_of_the_paper_toy():
    points, blob = _at("paper-shrink", 240)
    assert blob.std(axis=0) == pytest.approx([0.05, 0.1], rel=0.05)
    points, moved = _at("paper-translate", 240)
    assert moved == pytest.approx(points + [6, 0])
    points, grown = _at("paper-expand", 240)
    assert grown == pytest.approx(6 * points)


def test_there_is_a_hard_preset_for_every_motion():
    motions = set(Motion.kinds) - {"sum", "stopped", "replay"}
    assert {f"hard-{name}" for name in motions} <= set(presets())
    for name in motions:
        settings = preset(f"hard-{name}")
        assert settings["codebook_size"] == 64 and settings["motion"].name == name


def test_presets_are_fresh_and_unknown_names_list_the_choices():
    preset("paper-shrink")["steps"] = 1
    assert preset("paper-shrink")["steps"] == 240
    with pytest.raises(
        ValueError, match="unknown preset 'paper'; choose from paper-shrink, paper-"
    ):
        preset("paper")
