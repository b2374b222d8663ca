"""What the monitor observes: one frozen dataclass per kind of sample, and the tick that joins them.

Stamps are integer nanoseconds of acquisition time (``header.stamp``), never arrival time. NaN means unmeasured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import MODALITIES, Filler, Material, Modality, Process

#: Welding current from which on an arc burns, A; the rule of the reference labels.
ARC_CURRENT_A = 20.0
NANOSECONDS_PER_SECOND = 1_000_000_000
SECONDS_PER_HOUR = 3600.0


#: Ticks farther apart than this, s, have a hole of the recording between them.
LONGEST_TICK_GAP_S = 1.0


def forward_s(time_s: NDArray[np.float64]) -> float:
    """How long ticks at these times [N] last, s: of a hole LONGEST_TICK_GAP_S count, of a clock set back nothing."""
    return float(np.clip(np.diff(time_s), 0.0, LONGEST_TICK_GAP_S).sum())


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One camera image, decoded or still compressed (exactly one of ``image`` and ``encoded`` is set)."""

    stamp_ns: int
    image: NDArray[np.uint8] | None = None  #: [H, W] mono or [H, W, 3] BGR
    encoded: bytes | None = None  #: JPEG or PNG file content; decoded (reduced) by the preprocessing
    frame_id: str = ""
    bit_depth: int = 16  #: significant bits of an encoded 16-bit PNG


@dataclass(frozen=True, slots=True)
class ThermalFrame:
    """One thermal image in degrees Celsius; NaN where the sensor gives none."""

    stamp_ns: int
    celsius: NDArray[np.float32]  #: [H, W]
    frame_id: str = ""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A run of consecutive microphone samples."""

    stamp_ns: int  #: of the first sample
    sample_rate_hz: int
    samples: NDArray[np.float32]  #: [N], full scale +-1 (or pascal where calibrated)
    frame_id: str = ""

    @property
    def end_stamp_ns(self) -> int:
        """Stamp just after the last sample."""
        return self.stamp_ns + round(len(self.samples) * NANOSECONDS_PER_SECOND / self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class TelemetrySample:
    """The welder's own figures at one instant, SI units; NaN when unmeasured."""

    stamp_ns: int
    current_a: float = float("nan")  #: A
    voltage_v: float = float("nan")  #: V
    wire_feed_speed_m_s: float = float("nan")  #: m/s
    travel_speed_m_s: float = float("nan")  #: m/s
    gas_flow_l_min: float = float("nan")  #: l/min, the trade's unit

    def as_row(self) -> tuple[float, float, float, float, float]:
        """Values in the order of :data:`TELEMETRY_CHANNELS`."""
        return (self.current_a, self.voltage_v, self.wire_feed_speed_m_s, self.travel_speed_m_s, self.gas_flow_l_min)


#: Columns of every telemetry array.
TELEMETRY_CHANNELS: tuple[str, ...] = (
    "current_a",
    "voltage_v",
    "wire_feed_speed_m_s",
    "travel_speed_m_s",
    "gas_flow_l_min",
)
#: Programmed values of a job that nobody has told.
#: Of these, whose sign is the polarity's or the sensor's, and does not count.
POLAR_CHANNELS = ("current_a", "voltage_v")
NOT_PROGRAMMED: tuple[float, ...] = (float("nan"),) * len(TELEMETRY_CHANNELS)


@dataclass(frozen=True, slots=True)
class WeldContext:
    """What is being welded, as far as the cell knows. Changes seldom (a job), holds until replaced."""

    stamp_ns: int = 0
    process: Process = Process.UNKNOWN
    material_a: Material = Material.UNKNOWN
    material_b: Material = Material.UNKNOWN
    filler: Filler = Filler.UNKNOWN
    thickness_a_m: float = float("nan")
    thickness_b_m: float = float("nan")
    shielding_gas: str = ""  #: ISO 14175 designation, e.g. "M21-ArC-18"
    wps_id: str = ""
    job_id: str = ""
    programmed: tuple[float, ...] = NOT_PROGRAMMED  #: of each of TELEMETRY_CHANNELS in the steady weld; NaN: unknown


Sample = CameraFrame | ThermalFrame | AudioChunk | TelemetrySample | WeldContext


#: End of a reason that names a sensor which has fallen silent: "camera is stale".
STALE = " is stale"


@dataclass(frozen=True, slots=True)
class AudioWindow:
    """The newest contiguous stretch of sound at or before a tick."""

    end_stamp_ns: int
    sample_rate_hz: int
    samples: NDArray[np.float32]  #: [N], oldest first; shorter than asked for at the start of a stream


@dataclass(frozen=True, slots=True)
class TelemetryWindow:
    """The newest telemetry rows at or before a tick."""

    stamps_ns: NDArray[np.int64]  #: [K], ascending
    values: NDArray[np.float32]  #: [K, 5], columns TELEMETRY_CHANNELS


def _no_ages() -> NDArray[np.float32]:
    return np.full(len(MODALITIES), np.nan, np.float32)


def _none_valid() -> NDArray[np.bool_]:
    return np.zeros(len(MODALITIES), bool)


@dataclass(frozen=True, slots=True)
class Tick:
    """Everything known at one instant: the network's input before preprocessing.

    A modality that is missing or stale has ``valid`` False and its field may still hold the last (stale) sample.
    """

    index: int  #: 0, 1, 2, ... since the aligner started or time jumped back
    stamp_ns: int  #: of the newest sample used, on the common clock: its acquisition plus its sensor's offset
    camera: CameraFrame | None = None
    thermal: ThermalFrame | None = None
    audio: AudioWindow | None = None
    telemetry: TelemetryWindow | None = None
    context: WeldContext = field(default_factory=WeldContext)
    age_s: NDArray[np.float32] = field(default_factory=_no_ages)  #: [4] tick stamp minus sample stamp; NaN: never seen
    valid: NDArray[np.bool_] = field(default_factory=_none_valid)  #: [4] present, fresh and well-formed
    frame_id: str = ""  #: of the clock's source (the camera where there is one)
    restarted: bool = False  #: time jumped back before this tick: streaming state must be reset

    def has(self, modality: Modality) -> bool:
        """Whether this modality may be used at this tick."""
        return bool(self.valid[modality])
