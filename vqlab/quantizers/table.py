"""Every module that writes lines into the table of methods, in the order of the table."""

# ruff: noqa: I001
from . import basic  # noqa: F401
from . import rotation  # noqa: F401
from . import radius  # noqa: F401
from . import noise  # noqa: F401
from . import ibq  # noqa: F401
from . import sampled  # noqa: F401
from . import sq_vae  # noqa: F401
from . import projected  # noqa: F401
from . import lookup_free  # noqa: F401
from . import bridge  # noqa: F401
from . import anchors  # noqa: F401
from . import reservoir  # noqa: F401
from . import affine  # noqa: F401
from . import transport  # noqa: F401
from . import hyperbolic  # noqa: F401
from . import ancestors  # noqa: F401
from . import frequency  # noqa: F401
from . import topology  # noqa: F401
from . import words  # noqa: F401
from . import adaptive  # noqa: F401
