"""Makes `bench`, which lies beside the package and is no part of it, importable here."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

sys.path.append(str(REPOSITORY))
