"""Ways of adapting to a shift, all asked the same: answer each tick before anything is known of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import DriftBound
from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.feedback import Feedback
from msstan_core.adaptation.labelled_memory import LabelledMemory
from msstan_core.adaptation.learning import Objective, learn
from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.errors import InputError
from msstan_core.studies.adaptation_domains import Domain
from msstan_core.vocabulary import ACTIONS

Floats = NDArray[np.float64]
#: Ticks of one step of entropy minimisation, as TENT's batch; of the running statistics' memory.
BATCH, MEMORY_TICKS = 64, 256
TENT_STEP, PLAIN_STEP, PLAIN_STEPS = 1e-2, 0.05, 10


@dataclass(frozen=True, slots=True)
class Ticks:
    """Consecutive ticks of one job."""

    stamps_ns: NDArray[np.int64]  #: [N]
    logits: NDArray[np.float32]  #: [N, K] of the frozen network
    embeddings: NDArray[np.float32]  #: [N, d]


class Method(ABC):
    """One job's adaptation, from the shipped head."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.trained = domain.shares > 0

    @abstractmethod
    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """[N] index into ACTIONS."""

    def label(self, ticks: Ticks, action: int) -> None:  # noqa: B027 - most methods learn without labels
        """A person says what these past ticks were; methods without labels pass over it."""

    def _best(self, logits: NDArray[np.floating]) -> NDArray[np.int64]:
        return np.asarray(np.where(self.trained, logits, -np.inf).argmax(axis=1), np.int64)

    def _probabilities(self, logits: NDArray[np.floating]) -> Floats:
        masked = np.where(self.trained, logits, -np.inf)
        exponent = np.exp(masked - masked.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


class Frozen(Method):
    """No adaptation."""

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """As shipped."""
        return self._best(ticks.logits)


class Bounded(Method):
    """What the monitor does: :class:`~msstan_core.adaptation.adapter.Adapter` with its defaults."""

    settings = AdaptationSettings(enabled=True)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._now_s = 0.0
        self.adapter = Adapter(domain.guard, domain.shares, "", self.settings, clock=lambda: self._now_s)

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """Ticks are observed as the monitor would; learning happens between calls."""
        corrected = self.adapter.correction.apply(ticks.logits, ticks.embeddings)
        published = self._probabilities(corrected).astype(np.float32)
        self.adapter.hear_job("job")
        for stamp, embedding, p, logits in zip(ticks.stamps_ns, ticks.embeddings, published, ticks.logits, strict=True):
            self._now_s = stamp / 1e9
            self.adapter.observe(ObservedTick(int(stamp), embedding, p), logits)
        return self._best(corrected)

    def label(self, ticks: Ticks, action: int) -> None:
        """Feedback, then one round of the background thread."""
        span = int(ticks.stamps_ns[0]), int(ticks.stamps_ns[-1]) + 1
        try:
            self.adapter.take(Feedback(*span, "study", ACTIONS[action]))
        except InputError:
            return  # refused, as the monitor would: an action that the network does not know
        self.adapter.work()


class OwnExamples(Method):
    """The same learning without any label: from the shipped examples alone. What it gains is no adaptation."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        shipped, settings = domain.guard.shipped, Bounded.settings
        nothing = LabelledMemory(settings.per_action, settings.per_span, shipped.weight.shape[1]).lessons()
        objective = Objective(shipped, nothing, domain.guard.reference, domain.shares, settings)
        self._head = learn(objective, DriftBound(shipped, settings.largest_drift))

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """By the head fitted to what it was trained on."""
        return self._best(self._head.logits(ticks.embeddings))


class Unbounded(Method):
    """The obvious way: gradient steps on the newest labels alone, without memory, anchor, bound or guard."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._head = domain.guard.shipped

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """By the head as it is now."""
        return self._best(self._head.logits(ticks.embeddings))

    def label(self, ticks: Ticks, action: int) -> None:
        """A few steps on these ticks."""
        weight, bias = self._head.weight.copy(), self._head.bias.copy()
        for _ in range(PLAIN_STEPS):
            error = self._probabilities(ticks.embeddings @ weight.T + bias)
            error[:, action] -= 1.0
            weight -= PLAIN_STEP * error.T @ ticks.embeddings / len(error)
            bias -= PLAIN_STEP * error.mean(axis=0)
        self._head = type(self._head)(weight, bias, self._head.scale, self._head.shift)


class EntropyMinimisation(Method):
    """TENT (Wang et al. 2021) where it can act here: the affine part of the last norm, one step a batch."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        width = domain.guard.shipped.weight.shape[1]
        self._scale, self._shift = np.ones(width), np.zeros(width)

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """Batch by batch: answer, then a step down the mean entropy."""
        head, answers = self.domain.guard.shipped, []
        for start in range(0, len(ticks.logits), BATCH):
            e = ticks.embeddings[start : start + BATCH].astype(float)
            logits = (e * self._scale + self._shift) @ head.weight.T + head.bias
            answers.append(self._best(logits))
            p = self._probabilities(logits)
            log_p = np.log(np.maximum(p, 1e-12))
            on_logits = -p * (log_p - (p * log_p).sum(axis=1, keepdims=True))
            back = on_logits @ head.weight
            self._scale = self._scale - TENT_STEP * (back * e).mean(axis=0)
            self._shift = self._shift - TENT_STEP * back.mean(axis=0)
        return np.concatenate(answers)


class NormStatistics(Method):
    """As batch norms are adapted: each feature is brought from the stream's mean and spread to those of training."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        known = domain.guard.reference.embeddings.astype(float)
        self._mean, self._std = known.mean(axis=0), known.std(axis=0) + 1e-3
        self._running = self._mean.copy(), self._std**2

    def answer(self, ticks: Ticks) -> NDArray[np.int64]:
        """Batch by batch, with running statistics."""
        head, answers = self.domain.guard.shipped, []
        for start in range(0, len(ticks.logits), BATCH):
            e = ticks.embeddings[start : start + BATCH].astype(float)
            share = len(e) / (len(e) + MEMORY_TICKS)
            mean, variance = self._running
            mean = (1 - share) * mean + share * e.mean(axis=0)
            variance = (1 - share) * variance + share * ((e - mean) ** 2).mean(axis=0)
            self._running = mean, variance
            moved = (e - mean) / np.sqrt(variance + 1e-6) * self._std + self._mean
            answers.append(self._best(head.logits(moved)))
        return np.concatenate(answers)


METHODS: dict[str, type[Method]] = {
    "frozen": Frozen,
    "ours": Bounded,
    "own examples": OwnExamples,
    "labels without bounds": Unbounded,
    "entropy minimisation": EntropyMinimisation,
    "norm statistics": NormStatistics,
}
