"""What training asks for beyond the library itself, named in one sentence where it lacks."""

LIGHTNING = (
    "training with Lightning needs the packages lightning, torchmetrics, tensorboard and "
    "jsonargparse: install vqlab with its extra, pip install -e '.[train]'"
)
