"""Pictures: a small autoencoder, its training, and a recording of how its latents move.

Training with Lightning is in files of its own, which need the extra packages. The model: module,
adversarial; what it is fed: data; what is measured and watched: metrics, watching, record, seen,
live, pace; what is kept: keeping, checkpoints; the follow-up's schedule. From a shell command
(``python -m vqlab.vision.train``) trains one model; from a notebook comparison trains several on
equal terms, and evaluation measures them.
"""

from .augment import Augment
from .autoencoder import Autoencoder, Reconstruction
from .celeba import celeba_hq
from .datasets import Images, digits, drawn_faces, photo_patches
from .experiment import train
from .faces import attributes, captions, synthetic_faces
from .models import ResnetAutoencoder, paper_autoencoder
from .originals import FacesToDraw, image_folder
from .parquet import HuggingFace, ParquetFiles
from .pixels import BadPicture
from .prepared import Prepared, prepare
from .training import fit

__all__ = [
    "Augment",
    "Autoencoder",
    "BadPicture",
    "FacesToDraw",
    "HuggingFace",
    "Images",
    "ParquetFiles",
    "Prepared",
    "Reconstruction",
    "ResnetAutoencoder",
    "attributes",
    "captions",
    "celeba_hq",
    "digits",
    "drawn_faces",
    "fit",
    "image_folder",
    "paper_autoencoder",
    "photo_patches",
    "prepare",
    "synthetic_faces",
    "train",
]
