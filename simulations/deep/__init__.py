"""Deep networks of binary weights on images, task after task, beside their rivals."""

# Each registers its methods: whichever module of the package is loaded, all of them are known.
from .. import spectral
from . import methods_field, methods_metaplastic, methods_weights

__all__ = ["methods_field", "methods_metaplastic", "methods_weights", "spectral"]
