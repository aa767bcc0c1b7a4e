"""Colours that stay apart for every kind of colour vision, words that can be read."""

import json

import numpy as np
import plotly.io as pio
import pytest

from vqlab.plots import METHOD_COLORS, publish, styles
from vqlab.plots.theme import FAMILIES, SMALL, TEMPLATE, method_of, swatch

# Machado, Oliveira and Fernandes (2009), table 1, full severity.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color):
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
         [0.0193339, 0.119192, 0.9503041]]
    ) @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]  # fmt: skip
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", VISION)
def test_any_two_families_look_different(kind):
    # A difference of 10 in CIE Lab is seen at a glance between patches side by side.
    seen = {c: lab(np.array(VISION[kind]) @ linear(c)) for c in FAMILIES}
    for one in seen:
        for other in seen:
            if one < other:
                assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


@pytest.mark.parametrize("color", FAMILIES)
def test_a_line_stands_out_from_white(color):
    luminance = linear(color) @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) > 2


def test_every_method_of_the_table_has_its_colour():
    from vqlab import methods

    assert {line.name for line in methods()} == set(METHOD_COLORS) - {"kmeans"}
    looks = styles(METHOD_COLORS)
    # By colour and marker, and whoever stands beside them in the figure.
    assert len({(look.color, look.symbol) for look in looks.values()}) == len(looks)
    assert all(styles([name])[name] == look for name, look in looks.items())


@pytest.mark.parametrize(
    ("label", "method"),
    [
        ("ema", "ema"),
        ("ema-revival", "ema-revival"),
        ("ema, decay 0.9", "ema"),
        ("nsvq (figure)", "nsvq"),
        ("emancipated", None),
        ("kmeans", "kmeans"),
        ("encoder", None),
    ],
)
def test_a_label_belongs_to_the_longest_method_that_begins_it(label, method):
    assert method_of(label) == method


def test_forms_of_one_method_share_its_colour_and_differ_otherwise():
    looks = styles(["nsvq, figure", "nsvq, released", "nsvq, followup", "vq", "something"])
    forms = [looks[k] for k in looks if k.startswith("nsvq")]
    assert {s.color for s in forms} == {METHOD_COLORS["nsvq"]}
    assert len({(s.dash, s.symbol) for s in forms}) == 3
    assert looks["vq"].color == METHOD_COLORS["vq"]
    assert looks["something"].color not in METHOD_COLORS.values()
    assert styles(["x"], {"x": "#123456"})["x"].color == "#123456"


def test_the_template_is_the_default_and_slim():
    assert pio.templates.default == "vqlab"
    assert len(json.dumps(TEMPLATE.to_plotly_json())) < 1_500


def test_words_are_written_in_ink():
    assert swatch("ema", "#E69F00") == '<span style="color:#E69F00">●</span> ema'


def test_no_figure_has_smaller_words_than_the_theme_allows(make_run):
    from vqlab.plots import animate_cloud, lifelines, usage_bars, usage_curves

    def sizes(value, inside=""):
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "size" and inside.endswith("font"):
                    yield item
                else:
                    yield from sizes(item, key)
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from sizes(item, inside)

    run = make_run(shrink=0.1)
    for figure in (animate_cloud(run), lifelines(run), usage_bars(run), usage_curves(run)):
        found = list(sizes(figure.to_plotly_json()))
        assert found and min(found) >= SMALL


@pytest.mark.parametrize(("asked", "chosen"), [("1", "vqlab"), ("0", "json"), ("", "json")])
def test_publishing_is_asked_for_by_the_environment(monkeypatch, asked, chosen):
    before = pio.renderers.default
    monkeypatch.setenv("VQLAB_PUBLISH", asked)
    try:
        pio.renderers.default = "json"
        publish.start()
        assert pio.renderers.default == chosen
    finally:
        pio.renderers.default = before
