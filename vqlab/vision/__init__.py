"""Real pictures: a small autoencoder, its training, and a recording of how its latents move."""

from .autoencoder import Autoencoder, Reconstruction
from .datasets import Images, digits, photo_patches
from .experiment import train
from .training import fit

__all__ = ["Autoencoder", "Images", "Reconstruction", "digits", "fit", "photo_patches", "train"]
