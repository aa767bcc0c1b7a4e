"""Draw notebooks/collapse.png, the README's picture, from the library. Run by `make picture`.

Needs kaleido and a Chromium, as every PNG of a figure does.
"""

from lessons import FOLDER

from vqlab import Run, simulate
from vqlab.drift.presets import preset
from vqlab.plots import cloud
from vqlab.plots.publish import png
from vqlab.quantizers import Step

# A kernel as wide as the whole way at first, so that every code is carried along; it narrows by
# epoch (24 steps), so that the codes spread over the cloud again.
WIDE = {"bandwidth": Step(100.0, 0.35, every=24), "strength": 0.5}


def runs() -> dict[str, Run]:
    """The same moving cloud with two codebooks."""
    settings = {**preset("paper-translate"), "seed": 0, "record": "all"}
    return {"ema, a moving average": simulate("ema", **settings),
            "nsvq": simulate("nsvq", options=WIDE, **settings)}


def main() -> None:
    figure = cloud(runs(), view="world", cells=False, title="The latents moved from 0 to 6")
    path = FOLDER / "collapse.png"
    path.write_bytes(png(figure, limit=120_000))
    print(f"vqlab: {path.name} drawn, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
