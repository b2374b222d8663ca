"""Streaming against unrolled over very many ticks, and a stream of 100 frames a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from msstan_core.benchmark.timing import percentiles, rounded
from msstan_core.benchmark.workload import ticks
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.engine import load_engine
from msstan_core.inference.export import random_tick
from msstan_core.inference.model_package import ModelPackage
from msstan_core.preprocessing.preprocessor import INPUT_NAMES, NetworkInput

if TYPE_CHECKING:
    from msstan_core.model.memory import RecurrentMemory

#: Different ticks that a long stream is drawn from.
_DISTINCT = 200
#: Ticks unrolled at once.
_CLIP = 512


def streaming_error(
    package: ModelPackage, count: int, progress: Callable[[float], None] = lambda share: None
) -> dict[str, float]:
    """Largest difference between ``count`` ticks streamed through the engine and the same ticks unrolled in torch.

    What is unrolled is computed in double precision, so that the difference is the engine's own error. Clips overlap by
    what windows and convolution can see of the past; a recurrent memory is carried from clip to clip. Not for models
    whose maps remember (background, magnification).

    Returns:
        ``ticks``; ``largest_difference`` of the action logits and the ``largest_logit`` itself, since the engine's
        float32 keeps seven digits of it; ``probability_difference``, the largest of the actions' softmax; and
        ``drift``: largest difference of a logit over the last tenth of the stream less the largest over the first.
    """
    import torch

    from msstan_core.inference.network import load_network
    from msstan_core.model.ms_stan import Features

    model = load_network(package)
    carried = None if model.memory is None else carried_memory(model.memory)
    if carried is not None:
        model.memory = carried
    rng = np.random.default_rng(0)
    rows = [random_tick(model, rng) for _ in range(_DISTINCT)]
    parts = {name: torch.cat([row[index] for row in rows]) for index, name in enumerate(INPUT_NAMES)}
    parts = {name: part.double() if part.is_floating_point() else part for name, part in parts.items()}
    model.double()
    with torch.inference_mode():
        camera, thumbnail = model.look(parts["camera"])
    features = Features(**{**parts, "camera": camera}, thumbnail=thumbnail)
    engine = load_engine(package)
    inputs = [NetworkInput(*(part[0].numpy() for part in row)) for row in rows]
    order = rng.integers(0, _DISTINCT, count)
    reach = package.card.config.ring_ticks + package.card.config.temporal_kernel - 2
    differences: list[float] = []
    largest_logit, of_probabilities = 0.0, 0.0
    for begin in range(0, count, _CLIP):
        streamed = np.array([engine.step(inputs[i]).action_logits for i in order[begin : begin + _CLIP]])
        first = max(0, begin - reach)
        if carried is not None:
            carried.overlap = begin - first
        clip = features.map(lambda part, first=first, begin=begin: part[order[first : begin + _CLIP]][None])  # type: ignore[misc]
        with torch.inference_mode():
            unrolled = model.unroll(clip).action_logits[0, begin - first :].numpy()
        differences.append(float(np.abs(streamed - unrolled).max()))
        largest_logit = max(largest_logit, float(np.abs(unrolled).max()))
        gap = np.abs(softmax(streamed, axis=1) - softmax(unrolled, axis=1)).max()
        of_probabilities = max(of_probabilities, float(gap))
        progress(min(1.0, (begin + _CLIP) / count))
    tenth = max(1, len(differences) // 10)
    return {
        "ticks": count,
        "largest_difference": rounded(max(differences), 2),
        "largest_logit": rounded(largest_logit, 3),
        "probability_difference": rounded(of_probabilities, 2),
        "drift": rounded(max(differences[-tenth:]) - max(differences[:tenth]), 2),
    }


def carried_memory(memory: RecurrentMemory) -> Any:
    """The memory of a model that is unrolled clip by clip: each clip begins with what the last one has left.

    Its ``overlap`` is to be set before each clip: ticks at its beginning that were in the last one. They are there for
    the windows; the memory has seen them already and says nothing (zeros) at them.
    """
    import torch
    from torch import Tensor, nn

    class CarriedMemory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = memory
            self.overlap = 0
            self._after: Tensor | None = None

        def unroll(self, x: Tensor) -> Tensor:
            remembered = memory.remember(x[:, self.overlap :], self._after)
            self._after = remembered[:, -1]
            says = memory.project(remembered)
            return torch.cat([torch.zeros_like(x[:, : self.overlap]), says], dim=1)

    return CarriedMemory()


def paced_stream(monitor: Monitor, rate_hz: float, seconds: float) -> dict[str, Any]:
    """Frames at ``rate_hz`` in real time: a frame is late when the one after it is due before its answer.

    Returns:
        ``step_ms`` percentiles, ``frames``, ``late``, ``skipped_share``: frames that the gate held.
    """
    stream = ticks(int(rate_hz * seconds), camera_hz=rate_hz)
    monitor.step(stream[0])
    monitor.reset()
    durations, late, held = np.empty(len(stream)), 0, 0
    began = time.perf_counter()
    for index, tick in enumerate(stream):
        due = began + index / rate_hz
        time.sleep(max(0.0, due - time.perf_counter()))
        started = time.perf_counter()
        held += not monitor.step(replace(tick, index=index)).looked
        ended = time.perf_counter()
        durations[index] = (ended - started) * 1e3
        late += ended > due + 1.0 / rate_hz
    return {
        "rate_hz": rate_hz,
        "frames": len(stream),
        "late": late,
        "skipped_share": rounded(held / len(stream)),
        "step_ms": percentiles(durations),
    }
