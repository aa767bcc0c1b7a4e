"""Counting where the indices are, against counting by hand."""

import numpy as np
import torch

from vqlab.measure.hits import Hits


def test_counts_and_last_steps_are_those_of_all_choices_since():
    steps = [torch.randint(-1, 5, (3, 4), generator=torch.Generator().manual_seed(i))
             for i in range(6)]  # fmt: skip
    hits = Hits(6)  # the last code is never chosen
    for step, indices in enumerate(steps[:2]):
        hits.add(indices, step)
    hits.clear()
    for step, indices in enumerate(steps[2:], 2):
        hits.add(indices.to(torch.int32), step)
    since = torch.cat(steps[2:])
    assert hits.counts.tolist() == [int((since == k).sum()) for k in range(6)]
    assert hits.counts.sum() < since.numel()  # padding counts for no code
    last = [max([t for t, i in enumerate(steps) if (i == k).any()], default=-1) for k in range(6)]
    assert hits.last.tolist() == last
    other = Hits(6)
    other.plus(hits.counts, hits.last)
    other.add(torch.tensor([5]), 9)
    assert np.array_equal(other.counts, hits.counts + np.eye(6, dtype=int)[5])
    assert other.last.tolist() == [*last[:5], 9]
