"""`python -m statmech_cl` is `statmech-cl`."""

import sys

from .cli import main

sys.exit(main())
