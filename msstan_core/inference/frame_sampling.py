"""How important a frame must be to be looked at (41): more than a fixed threshold, or more than most of the stream."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

from msstan_core.errors import InputError

#: Stands for the threshold that the model was trained with.
MODEL_THRESHOLD = 0.0
#: Stands for a threshold that stays where it is.
FIXED = 0.0
#: By how much the threshold follows the stream from one frame to the next, in logits of importance: at a share of 0.2
#: an importance that has risen for good by a factor of ten is looked at for some ten frames in a row.
_FOLLOWING = 0.3
#: Logits beyond which the threshold does not go: a stream without any change must not take it out of reach.
_FARTHEST = 12.0


@dataclass(frozen=True, slots=True)
class FrameSampling:
    """Which frames are worth the camera backbone."""

    threshold: float = MODEL_THRESHOLD  #: of the importance; MODEL_THRESHOLD: the one that the model was trained with
    share: float = 0.2  #: of the frames that is looked at, those of most importance; FIXED: what the threshold says

    def checked(self) -> FrameSampling:
        """Itself.

        Raises:
            InputError: when a value is outside its range.
        """
        if not 0.0 <= self.threshold < 1.0:
            remedy = f"give {MODEL_THRESHOLD:g} for the model's own, or less than 1"
            raise InputError("sampling threshold", f"is {self.threshold:g}", remedy)
        if not 0.0 <= self.share < 1.0:
            raise InputError(
                "sampling share", f"is {self.share:g}", f"give {FIXED:g} for a fixed threshold, or less than 1"
            )
        return self


class ImportanceThreshold:
    """The threshold of one stream.

    What the importance of a change is depends on the camera, the process and the arc; a threshold that suits one stream
    lets another one hold all its frames. With a share the threshold goes down a little with every frame that is held
    and up with every one that is looked at, so that this share is looked at in the long run: in steady times whatever
    changes most, and after a change several frames in a row.

    Args:
        sampling: see there. model_threshold: what the model was trained with.
    """

    def __init__(self, sampling: FrameSampling, model_threshold: float) -> None:
        self._share = sampling.checked().share
        self._first = model_threshold if sampling.threshold == MODEL_THRESHOLD else sampling.threshold
        self.reset()

    def fork(self) -> ImportanceThreshold:
        """The same for another stream."""
        other = copy.copy(self)
        other.reset()
        return other

    @property
    def value(self) -> float:
        """Importance that the next frame must exceed."""
        return 1.0 / (1.0 + math.exp(-self._logit)) if self._share else self._first

    def reset(self) -> None:
        """Forget the stream."""
        self._logit = math.log(self._first / (1.0 - self._first))

    def update(self, looked: bool) -> None:
        """After a tick with a camera frame."""
        if self._share:
            moved = self._logit + _FOLLOWING * ((1.0 if looked else 0.0) - self._share)
            self._logit = min(max(moved, -_FARTHEST), _FARTHEST)
