"""Pictures: a small autoencoder, its training, and a recording of how its latents move."""

from .autoencoder import Autoencoder, Reconstruction
from .datasets import Images, digits, drawn_faces, photo_patches
from .experiment import train
from .faces import attributes, captions, synthetic_faces
from .training import fit

__all__ = [
    "Autoencoder",
    "Images",
    "Reconstruction",
    "attributes",
    "captions",
    "digits",
    "drawn_faces",
    "fit",
    "photo_patches",
    "synthetic_faces",
    "train",
]
