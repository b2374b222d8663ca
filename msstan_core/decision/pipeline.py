"""The monitor: one tick in, one decision out. Preprocess -> engine -> calibrate -> smooth -> events."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.answering import UNTOLD, input_flaw, job_of, observed
from msstan_core.decision.action_answer import ActionAnswer
from msstan_core.decision.action_smoothing import SmoothingConfig
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents, EventsLeft
from msstan_core.decision.evidence import PeakRegions, evidence_of
from msstan_core.decision.live_calibration import Calibration, SubsetCalibration
from msstan_core.decision.novelty import NoveltyDetector, load_novelty
from msstan_core.decision.probabilities import action_probabilities, imperfection_probabilities
from msstan_core.decision.result import AnomalyEvent, Decision
from msstan_core.decision.seam import SeamPosition
from msstan_core.decision.severity import steady_departures
from msstan_core.inference.engine import Backend, Engine, EngineOutput, load_engine
from msstan_core.inference.frame_sampling import FrameSampling
from msstan_core.inference.model_info import ModelInfo
from msstan_core.inference.model_package import NOMINAL_FILE, STEP_FILE, WEIGHTS_FILE, load_package
from msstan_core.inference.providers import Provider
from msstan_core.linear_algebra import use_one_thread
from msstan_core.observation import NANOSECONDS_PER_SECOND, Tick, WeldContext
from msstan_core.preprocessing.preprocessor import NetworkInput, Preprocessor
from msstan_core.vocabulary import ACTIONS, ARC_ON, IMPERFECTIONS, MODALITIES, Action, Modality


class Monitor:
    """Answers ticks; holds all streaming state. Not thread-safe: one thread steps it.

    Args:
        engine: runs the network. info: its card, and the modalities that may be used.
        nominal: for novelty, None where the model has none.
        smoothing: how the action is steadied; True: the default, False: the calibrated network output as it is.
        anomalies: thresholds of the events.
    """

    def __init__(
        self,
        engine: Engine,
        info: ModelInfo,
        nominal: NoveltyDetector | None = None,
        *,
        smoothing: bool | SmoothingConfig = True,
        anomalies: AnomalyConfig | None = None,
    ) -> None:
        card = info.card
        self.info = info
        self._engine = engine
        self._preprocess = Preprocessor(card.config.inputs, info.modalities)
        self._nominal = nominal
        self._trained = np.array([a in card.actions for a in ACTIONS])
        self._trained_imperfections = np.array([i.iso_code in card.trained_imperfections for i in IMPERFECTIONS])
        self._smoothing = smoothing
        self._actions = ActionAnswer(card, self._trained, smoothing)
        self._anomalies = anomalies or AnomalyConfig()
        self._calibrations = SubsetCalibration(
            card,
            self._anomalies.imperfection_threshold,
            # Limits are calibrated with the default time at them; a longer one raises fewer alarms.
            promise_holds=self._anomalies.alarm_onset_s >= AnomalyConfig().alarm_onset_s,
        )
        self._events = AnomalyEvents(self._anomalies, card.imperfection_thresholds, card.severity)
        self._seam, self._regions = SeamPosition(), PeakRegions()
        self._pending_events: tuple[AnomalyEvent, ...] = ()
        self._last_stamp_ns, self._job = 0, UNTOLD
        self._context: WeldContext | None = None  #: of the newest tick; the same object until the cell says another
        self.network_input: NetworkInput | None = None  #: of the newest tick; read only
        self.adapter: Adapter | None = None  #: corrects the action; set between two ticks

    @classmethod
    def load(
        cls,
        model_dir: Path,
        *,
        modalities: frozenset[Modality] = frozenset(MODALITIES),
        backend: Backend = "onnx",
        threads: int = 1,
        smoothing: bool | SmoothingConfig = True,
        anomalies: AnomalyConfig | None = None,
        provider: Provider = "auto",
        sampling: FrameSampling | None = None,
    ) -> Monitor:
        """Open a model folder; ``threads`` are those of network and image scaling, other arguments as in load_engine.

        The limits of OpenCV's and NumPy's threads that this sets hold for the process.

        Raises:
            InputError: when the folder is missing, corrupt or made for another vocabulary, or cannot do what is asked.
        """
        package = load_package(Path(model_dir))
        engine = load_engine(package, backend, threads, provider=provider, sampling=sampling)
        cv2.setNumThreads(threads)
        use_one_thread()
        card = package.card
        nominal = load_novelty(package.path(NOMINAL_FILE)) if NOMINAL_FILE in card.files else None
        info = ModelInfo(
            card=card,
            card_sha256=package.card_sha256,
            weights_sha256=card.files.get(WEIGHTS_FILE if backend == "torch" else STEP_FILE, ""),
            backend=backend,
            provider=engine.provider,
            modalities=modalities & card.modalities,
        )
        return cls(engine, info, nominal, smoothing=smoothing, anomalies=anomalies)

    @property
    def engine(self) -> Engine:
        """What runs the network, with its streaming state; read only."""
        return self._engine

    def fork(self, modalities: frozenset[Modality] = frozenset(MODALITIES)) -> Monitor:
        """A monitor for another torch: the same model in memory, a past of its own; of its modalities only these."""
        engine, how = self._engine.fork(), self._smoothing
        info = replace(self.info, modalities=self.info.modalities & modalities)
        return Monitor(engine, info, self._nominal, smoothing=how, anomalies=self._anomalies)

    def sibling(self, modalities: frozenset[Modality]) -> Monitor:
        """A monitor for the same ticks with only these modalities, see :meth:`step_after`."""
        engine, how = self._engine.sibling(), self._smoothing
        info = replace(self.info, modalities=self.info.modalities & modalities)
        return Monitor(engine, info, self._nominal, smoothing=how, anomalies=self._anomalies)

    def reset(self) -> None:
        """Forget the past: what inputs are read against, streaming state, filter and events. Open events are cleared
        with the next decision.
        """
        self._preprocess.reset()
        self._engine.reset()
        self._actions.reset()
        self._seam.reset()
        self._pending_events += self._events.clear_all(self._last_stamp_ns)

    def begin(self) -> None:
        """Forget the past for a new session: nothing is open, nothing is left to say, and events count from 1."""
        self.reset()
        self._pending_events, self._regions, self._context, self._job = (), PeakRegions(), None, UNTOLD
        self._events.go_on_from(1)

    def leave(self) -> EventsLeft:
        """End, perhaps in favour of another monitor: open events are closed and the numbering of events handed on."""
        left, pending = self._events.leave(self._last_stamp_ns), self._pending_events
        self._pending_events = ()
        return EventsLeft((*pending, *left.cleared), left.next_id)

    def succeed(self, left: EventsLeft) -> None:
        """Take over in a running session: what the other one left is cleared with the next decision."""
        self._pending_events += left.cleared
        self._events.go_on_from(left.next_id)

    def step(self, tick: Tick) -> Decision:
        """Answer one tick. With no usable modality the action is UNKNOWN and every probability NaN."""
        started = time.perf_counter()
        if tick.restarted:
            self.reset()
        self._close_other_job(tick.context)
        self.network_input, degraded = self._preprocess(tick, self._engine.begin)
        return self._answer(tick, self.network_input, degraded, started)

    def step_after(self, whole: Monitor, tick: Tick) -> Decision:
        """Answer the tick that ``whole``, whose :meth:`sibling` this is, has just answered, as :meth:`step` would.

        Nothing is preprocessed again, and no image looked at again.

        Raises:
            ValueError: where ``whole`` has not answered any tick.
        """
        started = time.perf_counter()
        if whole.network_input is None:
            raise ValueError("the other monitor has not answered a tick yet")
        if tick.restarted:
            self.reset()
        self._close_other_job(tick.context)
        return self._answer(tick, whole.network_input.only(self.info.modalities), (), started)

    def _close_other_job(self, context: WeldContext) -> None:
        """Clear what belongs to the job before this one: open events, place along the seam, regions of the image."""
        if context is self._context:
            return
        self._context, job = context, job_of(context)
        if job in (self._job, UNTOLD):  # one that falls silent has not ended
            return
        if self._job != UNTOLD:
            self._pending_events += self._events.clear_all(self._last_stamp_ns)
            self._seam.reset()
            self._regions = PeakRegions()
        self._job = job

    def _answer(self, tick: Tick, network_input: NetworkInput, degraded: tuple[str, ...], started: float) -> Decision:
        output, valid = self._engine.step(network_input), network_input.valid.astype(bool)
        seen, calibration = bool(valid.any()), self._calibrations.of(valid)
        flaw = ""
        if self.adapter is not None:
            self.adapter.hear_job(self._job)
            flaw = input_flaw(tick, valid, self.info.modalities, degraded)
        raw, imperfections, revision = self._calibrated(tick, output, calibration, seen, flaw)
        action, action_probability, probabilities = self._actions.update(tick.stamp_ns, raw, calibration, seen)
        novelty = self._novelty(output.embedding, action, seen)
        novelty_threshold = calibration.novelty_threshold if self._nominal else float("nan")
        seam_position_m = self._seam.update(tick.stamp_ns, tick.telemetry if tick.has(Modality.TELEMETRY) else None)
        attention = output.attention if valid[Modality.CAMERA] else None
        events = self._events.update(
            tick.stamp_ns,
            imperfections,
            novelty,
            novelty_threshold,
            seam_position_m,
            calibration.imperfection_thresholds,
            calibration.alarm_thresholds,
            steady_departures(network_input, self.info.card.config.inputs, action) if self.info.card.severity else None,
        )
        if events and seen:
            events = self._regions.attach(events, evidence_of(output.modality_weights, attention))
        if self.adapter is not None:
            unusual = self._events.open or novelty > novelty_threshold
            held = observed(tick, output.embedding, probabilities, flaw, unusual)
            self.adapter.observe(held, output.action_logits)
        events, self._pending_events = self._pending_events + events, ()
        self._last_stamp_ns = tick.stamp_ns
        return Decision(
            stamp_ns=tick.stamp_ns,
            frame_id=tick.frame_id,
            action=action,
            action_probability=action_probability,
            action_probabilities=probabilities,
            raw_action_probabilities=raw,
            imperfection_probabilities=imperfections,
            anomaly_score=novelty,
            anomaly_threshold=novelty_threshold,
            modality_weights=output.modality_weights,
            valid=valid,
            age_s=tick.age_s,
            attention=attention,
            events=events,
            looked=output.looked,
            inference_ms=(time.perf_counter() - started) * 1e3,
            model_revision=revision,
            false_alarms_per_hour=calibration.false_alarms_per_hour,
            degraded=degraded,
            embedding=output.embedding,
        )

    def _calibrated(
        self, tick: Tick, output: EngineOutput, calibration: Calibration, seen: bool, flaw: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """([9] actions, [13] imperfections, revision of the head that answered); NaN where nothing can be said."""
        logits, revision = output.action_logits, self.info.revision
        if self.adapter is not None:
            logits, revision = self.adapter.corrected(logits, output.embedding)
        raw = action_probabilities(logits, calibration.action_scale, self._trained)
        on_lines = calibration.imperfection_lines(output.imperfection_logits)
        imperfections = imperfection_probabilities(on_lines, self._trained_imperfections)
        if not seen or not np.isfinite(raw).all():
            return np.full_like(raw, np.nan), np.full_like(imperfections, np.nan), revision
        if self.adapter is not None:
            learn = not (flaw or self._events.open)
            raw = self.adapter.shifted(tick.stamp_ns / NANOSECONDS_PER_SECOND, raw, learn=learn)
        return raw, imperfections, revision

    @property
    def false_alarms_per_hour(self) -> float:
        """What alarms keep to with all sensors of the monitor; NaN: nothing is promised."""
        valid = np.array([m in self.info.modalities for m in MODALITIES])
        return self._calibrations.of(valid).false_alarms_per_hour

    def imperfection_thresholds(self, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """[13] probability from which each imperfection counts while the modalities with ``valid`` [4] are there."""
        return self._calibrations.of(valid).imperfection_thresholds

    def _novelty(self, embedding: np.ndarray, action: Action, seen: bool) -> float:
        """Distance to nominal welds, only while the arc burns: that is what the nominal set is made of."""
        if self._nominal is None or not seen or action not in ARC_ON:
            return float("nan")
        return float(self._nominal.distance(embedding))
