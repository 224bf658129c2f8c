"""What all rooms call an array."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
# Weights by their variables' names.
Arrays = dict[str, np.ndarray]
