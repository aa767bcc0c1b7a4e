"""The comparison of pictures, without a browser: every deliberate breakage is noticed."""

import likeness
import numpy as np
import pytest
from likeness import HALF, STORED, compare, unlike
from PIL import Image

HUES = {"collapse": ((230, 159, 0), (0, 114, 178)), "duel": ((230, 159, 0), (0, 114, 178)),
        "gradients": ((213, 94, 0), (0, 158, 115)), "phase_film": ((213, 94, 0), (0, 158, 115)),
        "kernel": ((0, 114, 178), (213, 94, 0))}  # fmt: skip
PARTS = {  # shares of the width and the height: a panel, a legend
    "collapse": ((0.54, 0.5, 1, 0.75), (0.7, 0, 1, 0.07)),
    "duel": ((0.36, 0.7, 0.68, 1), (0.66, 0, 1, 0.06)),
    "gradients": ((0.36, 0.1, 0.76, 0.7), (0, 0, 1, 0.09)),
    "phase_film": ((0.5, 0.5, 1, 0.75), (0.5, 0, 1, 0.09)),
    "kernel": ((0.45, 0.15, 1, 1), (0, 0.07, 1, 0.14)),
}


def moved(picture, right, down):
    out = Image.new("RGB", picture.size, "white")
    out.paste(picture, (right, down))
    return out


def without(picture, part):
    """A picture with one part painted over, and that part."""
    box = tuple(round(share * side) for share, side in zip(part, picture.size * 2, strict=True))
    out = picture.copy()
    out.paste("white", box)
    return out, picture.crop(box)


@pytest.mark.parametrize("name", PARTS)
def test_the_comparison_notices(name):
    stored = Image.open(STORED / f"{name}.png").convert("RGB")
    assert unlike(stored, stored)[0] == 0
    x, (one, other) = np.asarray(stored).copy(), HUES[name]
    places = [abs(x - np.array(hue)).max(-1) < 40 for hue in (one, other)]
    x[places[0]], x[places[1]] = other, one
    panel, legend = PARTS[name]
    elsewhere, cut = without(stored, legend)
    elsewhere.paste(cut, (0, stored.height - cut.height))
    aside, cut = without(stored, panel)
    aside.paste(cut, (round(panel[0] * stored.width) - 20 // HALF, round(panel[1] * stored.height)))
    broken = {
        "two colours swapped": Image.fromarray(x),
        "20 pixels to the right": moved(stored, 20 // HALF, 0),
        "20 pixels down": moved(stored, 0, 20 // HALF),
        "no panel": without(stored, panel)[0],
        "a panel 20 pixels aside": aside,
        "no legend": without(stored, legend)[0],
        "legend below": elsewhere,
        "another size": stored.resize((stored.width - 4, stored.height)),
    }
    shares = {what: unlike(picture, stored)[0] for what, picture in broken.items()}
    assert min(shares.values()) > 1, shares
    # What another machine does to edges passes.
    assert unlike(moved(stored, 1, 0), stored)[0] < 1


def test_what_is_unlike_is_left_to_be_seen(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOTS", raising=False)
    monkeypatch.setattr(likeness, "LEFT", tmp_path / "left")
    stored = Image.open(STORED / "duel.png").convert("RGB")
    large = stored.resize((stored.width * HALF, stored.height * HALF))
    assert compare("duel", large) == "" and not (tmp_path / "left").exists()
    assert "unlike" in compare("duel", moved(large, 0, 20))
    assert compare("duel", large.crop((0, 0, 400, 400))).endswith("(inf times what may be)")
    left = sorted(p.name for p in (tmp_path / "left").iterdir())
    assert left == ["duel.png", "duel_difference.png"]
