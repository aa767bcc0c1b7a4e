"""The game: its drifts follow from the name, its scores are measured, its table is kept."""

import numpy as np
import pytest

from vqlab.measure import cells
from vqlab.quantizers.moving_average import MovingAverage
from vqlab.teach import challenge, check_own_rule
from vqlab.teach.game import BATCH, CODES, DRIFTS, LOOKS, STEPS


def still(codes, latents, indices):
    return codes


class Follows:
    """Goes to the mean of its latents, and counts its calls."""

    calls = 0

    def __call__(self, codes, latents, indices):
        self.calls += 1
        assert latents.shape == (BATCH, 2) and indices.shape == (BATCH,)
        assert self.calls <= STEPS, "the memory of one run has come into the next"
        for k in np.unique(indices):
            codes[k] = latents[indices == k].mean(0)
        return codes


@pytest.fixture(scope="module")
def week():
    return challenge("week1")


def test_the_name_decides_and_says_nothing(week):
    first, again, other = week._secret(), challenge("week1")._secret(), challenge("week2")._secret()
    keyed = challenge("week1", key="tulip")._secret()
    assert [m for m, _, _ in first] == [m for m, _, _ in again]
    for drifts in (other, keyed):
        assert [m for m, _, _ in first] != [m for m, _, _ in drifts]
    assert len({m.name for m, _, _ in first}) == DRIFTS
    assert repr(week) == "challenge('week1')"
    assert not any(m.name in repr(vars(week)) for m, _, _ in first)


def test_a_score_is_what_it_says(week):
    """One drift by hand: utilization and distortion from the positions themselves."""
    from vqlab.teach.game import _run

    runs = [_run(still, *world, record=LOOKS) for world in week._secret()]
    used = np.mean([(cells(z, c).counts > 0).mean()
                    for r in runs for z, c in zip(r.latents[1:], r.codes[1:], strict=True)])
    reached = week.score(still)
    assert reached.utilization == pytest.approx(used)
    assert reached.points == pytest.approx(100 * reached.utilization / reached.excess)
    assert all((r.codes[0] == r.codes[-1]).all() and r.codes.shape[1] == CODES for r in runs)


def test_methods_and_rules_can_be_given_in_every_form(week):
    rule = Follows()
    assert week.score(rule).points > week.score(still).points + 20
    assert rule.calls == 0
    by_name = week.score(("ema", {"decay": 0.5, "epsilon": 0.0}))
    by_rule = week.score(MovingAverage(0.5, epsilon=0.0))
    assert by_rule.points == pytest.approx(by_name.points, rel=1e-3)
    assert by_rule == week.score(MovingAverage(0.5, epsilon=0.0))


@pytest.mark.parametrize(("bad", "error", "words"), [
    (lambda c, z, i: None, ValueError, "returned nothing"),
    (lambda c, z, i: c[:-1], ValueError, "expected .K, D."),
    (lambda c, z, i: c * np.nan, ValueError, "empty cell"),
    (7, TypeError, "a method is a name"),
    ("no-such-method", ValueError, "no-such-method"),
])  # fmt: skip
def test_what_is_no_rule_is_refused(week, bad, error, words):
    with pytest.raises(error, match=words):
        week.score(bad)


def test_practice_is_another_drift(week):
    run = week.practice(still)
    assert run.settings["motion"] not in [m.to_dict() for m, _, _ in week._secret()]
    assert week.practice(still, seed=1).settings["motion"] != run.settings["motion"]


def test_the_table_keeps_the_best_of_each_player(tmp_path, monkeypatch):
    game = challenge("week1", folder=tmp_path)
    monkeypatch.setattr("vqlab.teach.game.BASELINES", ("vq",))
    low, high = game.submit(still, "  Ada  L "), game.submit(Follows(), "Ada L")
    game.submit(still, "Bo, jr")
    table = challenge("week1", folder=tmp_path).table()
    assert table.player.tolist() == ["Ada L", "vq", "Bo, jr"]
    assert table.points[0] == pytest.approx(high.points) and high.points > low.points
    assert table.points[1] == pytest.approx(game.score("vq").points)
    assert table.baseline.tolist() == [False, True, False]
    for name in ("vq", " "):
        with pytest.raises(ValueError, match="a player has a name"):
            game.submit(still, name)
    game.file.write_text(game.file.read_text() + "Eve,lots,1,1\n")
    with pytest.raises(ValueError, match="line 5"):
        game.table()


def test_a_name_is_no_path():
    with pytest.raises(ValueError, match="letters, digits"):
        challenge("../week1")


def test_own_rules_are_told_what_is_missing():
    assert "passed" in check_own_rule(Follows())
    for rule, words in (
        (still, "No code ever moves"),
        (lambda c, z, i: c + 0.1, "farther from the latents"),
        (lambda c, z, i: np.where(np.bincount(i, minlength=CODES)[:, None] > 0, c * 1.001, c),
         "never move"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_own_rule(rule)
