"""What codes say about the words that they are called by."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from vqlab.measure import mutual_information, names_test


def tables(count=500, words=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, words)) < 0.3, rng.random((count, words)) < 0.5


def test_bits_are_those_of_scikit_learn():
    labels, uses = tables()
    uses[:, 0] |= labels[:, 2]
    labels[:, 4] = False  # a label that nobody has tells nothing
    expected = [[mutual_info_score(v, w) / np.log(2) for w in uses.T] for v in labels.T]
    np.testing.assert_allclose(mutual_information(labels, uses), expected, atol=1e-12)
    assert mutual_information(labels, uses)[4].max() == 0


def test_a_code_used_exactly_where_its_label_stands_has_the_labels_entropy():
    labels, _ = tables()
    p = labels.mean(0)
    entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    np.testing.assert_allclose(np.diag(mutual_information(labels, labels)), entropy)
    # The opposite tells as much: information has no sign.
    np.testing.assert_allclose(np.diag(mutual_information(labels, ~labels)), entropy)


def test_names_that_fit_are_told_from_names_that_do_not():
    labels, _ = tables()
    right = names_test(labels, labels)
    wrong = names_test(labels, np.roll(labels, 1, axis=1))
    # One of 5! = 120 orders is the right one.
    assert right.share == pytest.approx(1 / 120, abs=0.006) and right.own > 10 * right.chance / 5
    assert wrong.share > 0.3 and wrong.own < 0.1 * right.own
    assert right.chance == pytest.approx(right.bits.mean())


def test_without_meaning_the_share_is_even():
    shares = [names_test(*tables(200, seed=s), shuffles=200).share for s in range(60)]
    assert 0.4 < np.mean(shares) < 0.6 and min(shares) < 0.2 and max(shares) > 0.8


def test_tables_that_do_not_fit_are_refused():
    labels, uses = tables()
    with pytest.raises(ValueError, match=r"got \(500, 5\) and \(499, 5\)"):
        mutual_information(labels, uses[:-1])
    with pytest.raises(ValueError, match="a code for each label, got 4 for 5"):
        names_test(labels, uses[:, :4])
    with pytest.raises(ValueError, match="shuffles"):
        names_test(labels, uses, shuffles=0)
