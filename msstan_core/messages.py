"""From ROS messages to observations, and the table of topics the monitor listens to.

Works on anything with the right field names: messages of rclpy (live) and of rosbags (recordings) alike, so that live
and replay see the same numbers, given the same scaling. The reverse direction is in
:mod:`msstan_core.recordings.serialization`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling, buffer_view, camera_pixels, thermal_celsius
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    POLAR_CHANNELS,
    TELEMETRY_CHANNELS,
    AudioChunk,
    CameraFrame,
    Sample,
    TelemetrySample,
    ThermalFrame,
    WeldContext,
)
from msstan_core.vocabulary import Filler, Material, Modality, Process, known

#: A microphone or vibration channel; above it the field holds rubbish.
MAX_SAMPLE_RATE_HZ = 1_000_000
#: A stamp of zero that is received (or recorded) later than this on that clock was never set by the driver.
UNSET_STAMP_AFTER_NS = 86_400 * NANOSECONDS_PER_SECOND
#: Full scale is 1, or the unit is pascal (1e5: an atmosphere); far above this the power of a spectrum overflows.
MAX_SAMPLE = 1e6

#: What no welder, feeder, robot or gas meter reaches, in the order of TELEMETRY_CHANNELS: A, V, m/s, m/s, l/min.
MAX_TELEMETRY = (100_000.0, 10_000.0, 10.0, 10.0, 10_000.0)


class TopicKind(Enum):
    """What travels on a topic."""

    CAMERA = "camera"
    CAMERA_COMPRESSED = "camera_compressed"
    THERMAL = "thermal"
    ACOUSTIC = "acoustic"
    TELEMETRY = "telemetry"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Topic:
    """One input topic of the monitor, by its relative name."""

    name: str
    kind: TopicKind
    type_name: str  #: as in bags and type stores, e.g. "sensor_msgs/msg/Image"
    modality: Modality | None  #: None for the weld context, which is no sensor


TOPICS: tuple[Topic, ...] = (
    Topic("camera/image_raw", TopicKind.CAMERA, "sensor_msgs/msg/Image", Modality.CAMERA),
    Topic(
        "camera/image_raw/compressed", TopicKind.CAMERA_COMPRESSED, "sensor_msgs/msg/CompressedImage", Modality.CAMERA
    ),
    Topic("thermal/image_raw", TopicKind.THERMAL, "sensor_msgs/msg/Image", Modality.THERMAL),
    Topic("acoustic/chunk", TopicKind.ACOUSTIC, "msstan_msgs/msg/AcousticChunk", Modality.ACOUSTIC),
    Topic("welder/telemetry", TopicKind.TELEMETRY, "msstan_msgs/msg/WeldTelemetry", Modality.TELEMETRY),
    Topic("weld/context", TopicKind.CONTEXT, "msstan_msgs/msg/WeldContext", None),
)

_BY_KIND = {topic.kind: topic for topic in TOPICS}


def topic_of(kind: TopicKind) -> Topic:
    """The row of :data:`TOPICS` for a kind."""
    return _BY_KIND[kind]


def topic_of_sample(sample: Sample) -> Topic:
    """The topic a sample travels on; a camera frame that is still encoded on the compressed one."""
    match sample:
        case CameraFrame():
            return topic_of(TopicKind.CAMERA if sample.image is not None else TopicKind.CAMERA_COMPRESSED)
        case ThermalFrame():
            return topic_of(TopicKind.THERMAL)
        case AudioChunk():
            return topic_of(TopicKind.ACOUSTIC)
        case TelemetrySample():
            return topic_of(TopicKind.TELEMETRY)
        case WeldContext():
            return topic_of(TopicKind.CONTEXT)


def match_topic(full_name: str) -> Topic | None:
    """The topic a recorded or remapped name stands for, whatever its namespace: ``/cell_2/thermal/image_raw``."""
    for topic in TOPICS:
        if full_name == topic.name or full_name.endswith("/" + topic.name):
            return topic
    return None


def sample_from_message(kind: TopicKind, message: Any, scaling: SensorScaling | None = None) -> Sample:
    """Observation in a message. Array fields are viewed, not copied, wherever the encoding allows.

    Policies: audio with a sample that is not finite or beyond MAX_SAMPLE is refused (a filter bank would spread it);
    telemetry that is infinite or beyond MAX_TELEMETRY becomes NaN, unmeasured, and of current and voltage the magnitude
    counts, since their sign is the polarity's or the sensor's; enum values this version does not know
    become UNKNOWN; a thickness or programmed value that is not positive becomes NaN.

    Args:
        kind: what the topic carries.
        message: rclpy or rosbags message, or anything with the same fields.
        scaling: meaning of 16-bit images; without it mono16 camera images fill 16 bits, and 16-bit thermal is refused.

    Raises:
        InputError: one line that names topic and field: wrong encoding, cut buffer, zero size or rate, bad stamp.
    """
    topic = topic_of(kind)
    scaling = scaling or SensorScaling()
    try:
        stamp_ns = stamp_from_header(message.header, topic.name)
        frame_id = str(message.header.frame_id)
        match kind:
            case TopicKind.CAMERA:
                return CameraFrame(stamp_ns, image=camera_pixels(message, topic.name, scaling), frame_id=frame_id)
            case TopicKind.CAMERA_COMPRESSED:
                encoded, depth = _encoded_image(message, topic.name), scaling.camera_bit_depth
                return CameraFrame(stamp_ns, encoded=encoded, frame_id=frame_id, bit_depth=depth)
            case TopicKind.THERMAL:
                return ThermalFrame(stamp_ns, thermal_celsius(message, topic.name, scaling), frame_id)
            case TopicKind.ACOUSTIC:
                return _audio(message, topic.name, stamp_ns, frame_id)
            case TopicKind.TELEMETRY:
                given = {channel: _finite(getattr(message, channel)) for channel in TELEMETRY_CHANNELS}
                given |= {channel: abs(given[channel]) for channel in POLAR_CHANNELS}
                possible = map(_possible, given.values(), MAX_TELEMETRY)
                return TelemetrySample(stamp_ns, **dict(zip(given, possible, strict=True)))
            case TopicKind.CONTEXT:
                return _context(message, stamp_ns)
    except AttributeError as error:
        raise InputError(
            topic.name, f"the message has no field {error.name!r}", f"publish {topic.type_name} of this version"
        ) from None


def stamp_from_header(header: Any, where: str) -> int:
    """Nanoseconds of ``header.stamp``.

    Raises:
        InputError: for a negative time or a nanosecond part of a second or more.
    """
    seconds, nanoseconds = int(header.stamp.sec), int(header.stamp.nanosec)
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS_PER_SECOND:
        raise InputError(
            where,
            f"header.stamp is {seconds} s + {nanoseconds} ns, which is no time",
            "stamp messages with the acquisition time, nanosec below 1000000000",
        )
    return seconds * NANOSECONDS_PER_SECOND + nanoseconds


def is_unset(stamp_ns: int, received_ns: int) -> bool:
    """Whether a stamp of zero was never set, by the receiving clock; simulated time may begin at zero."""
    return stamp_ns == 0 and received_ns > UNSET_STAMP_AFTER_NS


def refuse_unset_stamp(sample: Sample, received_ns: int, where: str) -> None:
    """Let pass what can be put in time, and the weld context, which holds from where it arrives.

    Args:
        sample: just converted. received_ns: when it arrived, or was recorded. where: its topic.

    Raises:
        InputError: for a sensor's sample that nobody stamped.
    """
    if not isinstance(sample, WeldContext) and is_unset(sample.stamp_ns, received_ns):
        raise InputError(where, "header.stamp is 0, never set", "have the driver stamp its messages")


def _encoded_image(message: Any, where: str) -> bytes:
    data = buffer_view(message.data).tobytes()
    if not data:
        raise InputError(where, "data is empty", "publish the JPEG or PNG file content in data")
    if data.startswith(b"\xff\xd8\xff"):
        complete = b"\xff\xd9" in data[-1024:]  # encoders may pad behind the end marker
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        complete = b"IEND" in data[-1024:]
    else:
        raise InputError(where, f"format {message.format!r} is neither JPEG nor PNG", "publish jpeg or png")
    if not complete:
        raise InputError(
            where, f"image file of {len(data)} bytes is cut off", "check the camera driver and the transport"
        )
    return data


def _audio(message: Any, where: str, stamp_ns: int, frame_id: str) -> AudioChunk:
    rate = int(message.sample_rate_hz)
    if not 0 < rate <= MAX_SAMPLE_RATE_HZ:
        raise InputError(where, f"sample_rate_hz is {rate}", f"give samples per second, 1 to {MAX_SAMPLE_RATE_HZ}")
    samples: NDArray[np.float32] = np.asarray(message.samples, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise InputError(where, "samples is empty", "publish chunks of at least one sample")
    if not np.isfinite(samples).all():
        raise InputError(where, "samples contains NaN or infinity", "check the microphone's driver; send silence as 0")
    if (greatest := max(float(samples.max()), -float(samples.min()))) > MAX_SAMPLE:
        raise InputError(
            where, f"samples reach {greatest:g}", f"send -1 to 1 or pascals, {MAX_SAMPLE:g} at most; check the driver"
        )
    return AudioChunk(stamp_ns, rate, samples, frame_id)


def _context(message: Any, stamp_ns: int) -> WeldContext:
    return WeldContext(
        stamp_ns=stamp_ns,
        process=known(Process, message.process),
        material_a=known(Material, message.material_a),
        material_b=known(Material, message.material_b),
        filler=known(Filler, message.filler),
        thickness_a_m=_positive(message.thickness_a_m),
        thickness_b_m=_positive(message.thickness_b_m),
        shielding_gas=str(message.shielding_gas),
        wps_id=str(message.wps_id),
        job_id=str(message.job_id),
        # a bag of an earlier version has no such fields
        programmed=tuple(_positive(getattr(message, f"programmed_{c}", math.nan)) for c in TELEMETRY_CHANNELS),
    )


def _finite(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else math.nan


def _possible(value: float, most: float) -> float:
    return value if abs(value) <= most else math.nan


def _positive(value: Any) -> float:
    number = _finite(value)
    return number if number > 0 else math.nan  # zero is a field that nobody filled in
