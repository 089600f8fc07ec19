"""The packages are found before the folders of tests that bear their names (`tests/bot`, `tests/skills`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
