"""The parameters of the weld monitor node, and the settings that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.advisory.advisor import AdvisorConfig
from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.alignment_config import AlignmentConfig
from msstan_core.decision.action_smoothing import SmoothingConfig
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling
from msstan_core.inference.engine import Backend
from msstan_core.inference.frame_sampling import MODEL_THRESHOLD, FrameSampling
from msstan_core.inference.providers import PROVIDERS, Provider
from msstan_core.parameters import ParameterSpec
from msstan_core.paths import typed_path
from msstan_core.resources import default_model_dir
from msstan_core.sensor_settings import ALIGNMENT_SPECS, SCALING_SPECS, SENSOR_SPECS, SensorSettings
from msstan_core.vocabulary import MODALITIES, Modality, parse_modalities
from msstan_ros.adaptation_parameters import ADAPTATION_SPECS, read_adaptation, read_adaptation_folder
from msstan_ros.advisory_parameters import ADVISORY_SPECS, read_advisory
from msstan_ros.decision_parameters import DECISION_SPECS, read_events, read_smoothing
from msstan_ros.input_streams import AUTO, COMPRESSED, RAW
from msstan_ros.parameters import folder_or_empty, modality_names, value_of
from msstan_ros.procedure_parameters import PROCEDURE_SPECS, read_procedures

SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec("model_dir", "", "folder of the exported model; empty: the shipped one", while_active=True),
    ParameterSpec(
        "modalities",
        [m.label for m in MODALITIES],
        "sensors to subscribe to: camera, thermal, acoustic, telemetry; leave out what the cell does not have",
        check=modality_names,
    ),
    ParameterSpec("backend", "onnx", "inference library", choices=("onnx", "torch")),
    ParameterSpec("provider", "auto", "what ONNX Runtime runs on; auto: the best that is there", choices=PROVIDERS),
    ParameterSpec("threads", 1, "threads of network and image scaling", 1, 32),
    ParameterSpec(
        "sampling.enabled", False, "skip the camera backbone where little has changed; needs a model with the gate"
    ),
    ParameterSpec(
        "sampling.share",
        FrameSampling().share,
        "share of the frames that is looked at, those of most importance: the threshold follows the stream; "
        "0: it is sampling.threshold",
        0,
        0.999,
    ),
    ParameterSpec(
        "sampling.threshold",
        MODEL_THRESHOLD,
        "importance from which a frame is looked at, with a share only at first; 0: the model's own value",
        0,
        0.999,
    ),
    *DECISION_SPECS,
    *ALIGNMENT_SPECS,
    ParameterSpec(
        "camera.transport",
        AUTO,
        "camera topic: raw, compressed, or auto: the first that brings an image; the other one is let go",
        choices=(AUTO, RAW, COMPRESSED),
    ),
    *SCALING_SPECS,
    *PROCEDURE_SPECS,
    *ADVISORY_SPECS,
    *ADAPTATION_SPECS,
    ParameterSpec(
        "state_rate_hz",
        10.0,
        "heartbeat on weld/state, Hz; several must fit in the gate's heartbeat_timeout_s",
        10,
        100,
        read_only=True,
    ),
    ParameterSpec(
        "action_deadline_s",
        0.5,
        "longest time between two weld/action messages while inputs flow, s",
        0.05,
        60,
        read_only=True,
    ),
    ParameterSpec(
        "snapshot.directory",
        "",
        "folder for ~/snapshot; empty: the working folder",
        check=folder_or_empty,
        while_active=True,
    ),
    ParameterSpec("snapshot.seconds", 30.0, "how much ~/snapshot can look back, s", 1, 600),
)


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What the node works with between configure and cleanup."""

    model_dir: Path
    modalities: frozenset[Modality]
    backend: Backend
    provider: Provider
    threads: int
    sampling: FrameSampling | None  #: see load_engine
    smoothing: SmoothingConfig
    events: AnomalyConfig
    alignment: AlignmentConfig
    camera_transport: str  #: see InputStreams
    scaling: SensorScaling
    procedures: ProcedureBook
    advisory: AdvisorConfig
    adaptation: AdaptationSettings
    adaptation_folder: Path | None  #: None: revisions in memory only
    snapshot_seconds: float


def model_dir_or_default(text: str) -> Path:
    """The named folder, or the shipped model's for ""; raises InputError when it is no folder."""
    folder = typed_path(text) if text else default_model_dir()
    if not folder.is_dir():
        raise InputError(
            folder, "no such model folder", "give model_dir a folder written by msstan train or msstan export"
        )
    return folder


def read_settings(node: Node) -> MonitorSettings:
    """The node's parameters as settings.

    Raises:
        InputError: when they do not make sense together or name a folder that does not exist.
    """
    sensors = SensorSettings({spec.name: value_of(node, spec.name) for spec in SENSOR_SPECS})
    modalities = parse_modalities(",".join(value_of(node, "modalities")))
    sensors.check_clock(modalities)
    _check_deadline(value_of(node, "action_deadline_s"), sensors.alignment)
    return MonitorSettings(
        model_dir=model_dir_or_default(value_of(node, "model_dir")),
        modalities=modalities,
        backend=value_of(node, "backend"),
        provider=value_of(node, "provider"),
        threads=value_of(node, "threads"),
        sampling=_read_sampling(node),
        smoothing=read_smoothing(node),
        events=read_events(node),
        alignment=sensors.alignment,
        camera_transport=value_of(node, "camera.transport"),
        scaling=sensors.scaling,
        procedures=read_procedures(node),
        advisory=read_advisory(node),
        adaptation=read_adaptation(node),
        adaptation_folder=read_adaptation_folder(node),
        snapshot_seconds=value_of(node, "snapshot.seconds"),
    )


def _check_deadline(deadline_s: float, alignment: AlignmentConfig) -> None:
    """Raise InputError where ticks are allowed to come too seldom for what ``weld/action`` promises."""
    for name in ("max_tick_rate_hz", "tick_rate_hz"):
        rate_hz = getattr(alignment, name)
        if rate_hz * deadline_s <= 1:
            raise InputError(
                f"parameter alignment.{name}",
                f"{rate_hz:g} Hz cannot keep action_deadline_s ({deadline_s:g} s)",
                f"give more than {1 / deadline_s:g} Hz, or a longer action_deadline_s",
            )


def _read_sampling(node: Node) -> FrameSampling | None:
    """None: every frame is looked at."""
    if not value_of(node, "sampling.enabled"):
        return None
    return FrameSampling(value_of(node, "sampling.threshold"), value_of(node, "sampling.share"))
