"""What draws at random in a training can go on exactly where an interrupted run stopped."""

from __future__ import annotations

import numpy as np


class Drawing:
    """Has a random generator of its own.

    Args:
        seed: one number, or several.
    """

    def __init__(self, seed: int | list[int]) -> None:
        self._rng = np.random.default_rng(seed)

    @property
    def random_state(self) -> dict[str, object]:
        """State of the generator, for resuming a run exactly where it stopped."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, object]) -> None:
        self._rng.bit_generator.state = state
