"""Pictures: a small autoencoder, its training, and a recording of how its latents move.

Training with Lightning (``python -m vqlab.vision.train``) is in files of its own, which need the
extra packages: module, adversarial, data, metrics, keeping, schedule, watching, record,
command.
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
