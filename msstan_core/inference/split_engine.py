"""The step in two parts: the camera backbone beside the preprocessing of the other sensors, then the rest."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.bound_graph import BoundGraph, Places
from msstan_core.inference.engine import Engine, EngineOutput
from msstan_core.inference.graph_names import OUTPUT_NAMES
from msstan_core.inference.model_package import HELD_STEP_FILE, LOOK_FILE, ModelPackage
from msstan_core.inference.providers import Provider, device_of, open_session
from msstan_core.preprocessing.preprocessor import NetworkInput
from msstan_core.vocabulary import Modality

_Task = tuple["Future[None]", Callable[[], None]]


class SplitEngine(Engine):
    """Backbone and rest of the step as graphs of their own. The backbone, most of the work, runs in a thread beside
    whoever called :meth:`begin`, and not at all where there is no camera image.

    Args:
        package: a model folder that holds the parts.
        threads: CPU threads of each part. provider: of ONNX Runtime.

    Raises:
        InputError: when a graph cannot be opened.
    """

    def __init__(self, package: ModelPackage, threads: int = 1, provider: Provider = "auto") -> None:
        self._open(*(open_session(package.path(name), threads, provider) for name in (LOOK_FILE, HELD_STEP_FILE)))

    @staticmethod
    def can_run(package: ModelPackage) -> bool:
        """Whether the model folder holds the parts; those of earlier versions do not."""
        return {LOOK_FILE, HELD_STEP_FILE} <= package.card.files.keys()

    def _open(self, look: Any, held: Any) -> None:
        self._sessions = (look, held)
        self.provider = held.get_providers()[0]
        self._places = Places(device_of(held))
        self._look = BoundGraph(look, self._places)
        self._held = BoundGraph(held, self._places, OUTPUT_NAMES)
        self._beside = _Beside()
        self._begun: tuple[NDArray[np.uint8], Future[None]] | None = None  #: an image, and when it has been looked at

    def reset(self) -> None:
        """Forget the past."""
        self._held.reset()

    def state(self) -> dict[str, NDArray[np.floating]]:
        """A copy of the streaming state."""
        return self._held.state()

    def fork(self) -> SplitEngine:
        """Another stream on the same sessions."""
        other = SplitEngine.__new__(SplitEngine)
        other._open(*self._sessions)
        return other

    def sibling(self) -> Engine:
        """A fork for the same ticks, which looks at no image again."""
        return _Sibling(self._sessions[1], self._places, self.provider)

    def begin(self, camera: NDArray[np.uint8]) -> None:
        """Start looking at an image [px, px, 3]."""
        self._forget_image()
        self._places.write("camera", camera[None])
        self._begun = camera, self._beside.start(self._look.run)

    def step(self, tick: NetworkInput) -> EngineOutput:
        """Process one tick and advance the state."""
        if tick.valid[Modality.CAMERA] > 0:
            if self._begun is not None and self._begun[0] is tick.camera:
                (_, looking), self._begun = self._begun, None
                looking.result()
            else:
                self._forget_image()
                self._places.write("camera", tick.camera[None])
                self._look.run()
        return _rest_of_step(self._held, self._places, tick)

    def _forget_image(self) -> None:
        """Of a tick that never came; its place may still be read."""
        if self._begun is not None:
            self._begun[1].exception()
            self._begun = None


class _Sibling(Engine):
    """The rest of the step on another engine's places, with a state of its own."""

    def __init__(self, session: Any, places: Places, provider: str) -> None:
        self.provider = provider
        self._session, self._places = session, places
        self._held = BoundGraph(session, places, OUTPUT_NAMES)

    def reset(self) -> None:
        self._held.reset()

    def state(self) -> dict[str, NDArray[np.floating]]:
        return self._held.state()

    def fork(self) -> Engine:
        return _Sibling(self._session, self._places, self.provider)

    def step(self, tick: NetworkInput) -> EngineOutput:
        return _rest_of_step(self._held, self._places, tick)


def _rest_of_step(held: BoundGraph, places: Places, tick: NetworkInput) -> EngineOutput:
    """What comes after the camera backbone, whose features are at their place."""
    for name, array in tick.arrays().items():
        if name != "camera":
            places.write(name, array)
    held.run()
    return EngineOutput.of((held.result(name)[0].copy() for name in OUTPUT_NAMES), tick)


class _Beside:
    """A thread that runs one call after the other. It ends with its owner, and holds up no exit."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(self._tasks,), name="backbone", daemon=True).start()
        weakref.finalize(self, self._tasks.put, None)

    def start(self, call: Callable[[], None]) -> Future[None]:
        """Run ``call`` in the thread; its result or error is in the future."""
        future: Future[None] = Future()
        self._tasks.put((future, call))
        return future


def _serve(tasks: queue.SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        future, call = task
        try:
            call()
        except BaseException as error:  # it is the caller's, who asks for it
            future.set_exception(error)
        else:
            future.set_result(None)
        del task, future, call  # until the next one comes nothing is held
