"""Pictures: a small autoencoder, its training, and a recording of how its latents move.

Training with Lightning (``python -m vqlab.vision.train``) is in files of its own, which need the
extra packages: module, adversarial, data, metrics, keeping, schedule, watching, record,
command.
"""

from .augment import Augment
from .autoencoder import Autoencoder, Reconstruction
from .datasets import Images, digits, drawn_faces, photo_patches
from .experiment import train
from .faces import attributes, captions, synthetic_faces
from .models import ResnetAutoencoder, paper_autoencoder
from .training import fit

__all__ = [
    "Augment",
    "Autoencoder",
    "Images",
    "Reconstruction",
    "ResnetAutoencoder",
    "attributes",
    "captions",
    "digits",
    "drawn_faces",
    "fit",
    "paper_autoencoder",
    "photo_patches",
    "synthetic_faces",
    "train",
]
