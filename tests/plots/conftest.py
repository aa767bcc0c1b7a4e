"""A small run whose every number is chosen, and a helper that reads a figure as a browser does."""

import json

import numpy as np
import pytest

from vqlab.drift.run import Run


def make(method="ema", seed=0, K=8, T=21, M=40, dim=2, shrink=1.0, walk=0.0, dead=3):
    """The cloud shrinks and walks; the first codes follow, the last ``dead`` stay behind."""
    rng = np.random.default_rng(seed)
    base, start = rng.normal(size=(M, dim)), rng.normal(size=(K, dim))
    steps = np.arange(T) * 10
    scale = shrink ** np.linspace(0, 1, T)[:, None, None]
    shift = np.zeros((T, 1, dim))
    shift[:, 0, 0] = np.linspace(0, walk, T)
    latents = base * scale + shift
    codes = start * scale + shift
    codes[:, K - dead :] = start[K - dead :]
    counts = np.zeros((T, K), np.int64)
    counts[:, : K - dead] = rng.integers(1, 9, size=(T, K - dead))
    counts[: T // 2, K - dead :] = 2  # they die half way
    lag = np.where(counts > 0, rng.uniform(0.1, 1, (T, K)), np.nan)
    distortion = np.linspace(2, 1, T) + 0.01 * seed
    return Run(
        settings={"method": method, "seed": seed},
        steps=steps,
        latents=np.float32(latents),
        codes=np.float32(codes),
        hits=counts.copy(),
        last_hit=np.zeros((T, K), np.int64),
        counts=counts,
        distortion=distortion,
        optimum=np.full(T, 0.5),
        drift=np.full(T, walk / T),
        lag=lag,
        terms={"bandwidth": np.geomspace(1, 0.01, T)},
    )


@pytest.fixture
def make_run():
    return make


@pytest.fixture
def browser():
    """A figure's dictionary after the way through JSON, binary arrays decoded."""

    def decode(value):
        if isinstance(value, dict):
            if set(value) >= {"dtype", "bdata"}:
                import base64

                flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
                shape = [int(n) for n in str(value.get("shape", len(flat))).split(",")]
                return flat.reshape(shape)
            return {key: decode(item) for key, item in value.items()}
        return [decode(item) for item in value] if isinstance(value, list) else value

    return lambda figure: decode(json.loads(figure.to_json()))
