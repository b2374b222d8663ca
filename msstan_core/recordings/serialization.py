"""From observations to serialised ROS messages (CDR), and the message types both directions need.

Types come from rosbags' ROS 2 Jazzy store plus the ``.msg`` files of ``msstan_msgs``; their RIHS01 hashes are those of
the compiled package, so that a recording made here plays on any ROS 2 Jazzy machine.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from msstan_core.errors import InputError
from msstan_core.messages import Topic, topic_of_sample
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    TELEMETRY_CHANNELS,
    AudioChunk,
    CameraFrame,
    Sample,
    TelemetrySample,
    ThermalFrame,
    WeldContext,
)
from msstan_core.resources import share_path

INTERFACE_PACKAGE = "msstan_msgs"


def interface_texts(folder: Path | None = None) -> dict[str, str]:
    """``.msg`` text by type name (``msstan_msgs/msg/AcousticChunk``), from the source tree or the installation.

    Raises:
        InputError: when the files are nowhere.
    """
    folder = folder or share_path("msg", package=INTERFACE_PACKAGE)
    texts = {f"{INTERFACE_PACKAGE}/msg/{p.stem}": p.read_text("utf-8") for p in sorted(folder.glob("*.msg"))}
    if not texts:
        raise InputError(folder, "holds no .msg files", f"reinstall {INTERFACE_PACKAGE}")
    return texts


@cache
def message_types() -> Typestore:
    """ROS 2 Jazzy's types and all of ``msstan_msgs``. Built once (0.1 s) and shared: do not register types in it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    definitions: dict[str, Any] = {}
    for name, text in interface_texts().items():
        definitions.update(get_types_from_msg(text, name))
    store.register(definitions)
    return store


def message_from_sample(sample: Sample) -> tuple[Topic, Any]:
    """The topic a sample belongs on and its rosbags message.

    Raises:
        InputError: for a camera frame that is neither 8-bit mono nor BGR, or thermal that is not 2-D.
    """
    topic = topic_of_sample(sample)
    match sample:
        case CameraFrame(image=None):
            message = _compressed_image(sample, topic)
        case CameraFrame():
            message = _camera_image(sample, topic)
        case ThermalFrame():
            message = _thermal_image(sample, topic)
        case AudioChunk():
            message = _new(
                topic.type_name,
                header=_header(sample.stamp_ns, sample.frame_id),
                sample_rate_hz=sample.sample_rate_hz,
                samples=np.ascontiguousarray(sample.samples, np.float32),
            )
        case TelemetrySample():
            values = {name: float(getattr(sample, name)) for name in TELEMETRY_CHANNELS}
            message = _new(topic.type_name, header=_header(sample.stamp_ns), **values)
        case WeldContext():
            programmed = dict(zip(TELEMETRY_CHANNELS, sample.programmed, strict=True))
            message = _new(
                topic.type_name,
                header=_header(sample.stamp_ns),
                process=int(sample.process),
                material_a=int(sample.material_a),
                material_b=int(sample.material_b),
                filler=int(sample.filler),
                thickness_a_m=float(sample.thickness_a_m),
                thickness_b_m=float(sample.thickness_b_m),
                shielding_gas=sample.shielding_gas,
                wps_id=sample.wps_id,
                job_id=sample.job_id,
                **{f"programmed_{channel}": float(value) for channel, value in programmed.items()},
            )
    return topic, message


def serialize(topic: Topic, message: Any) -> memoryview:
    """CDR bytes of a rosbags message."""
    return message_types().serialize_cdr(message, topic.type_name)


def _new(type_name: str, **fields: Any) -> Any:
    return message_types().types[type_name](**fields)


def _header(stamp_ns: int, frame_id: str = "") -> Any:
    seconds, nanoseconds = divmod(int(stamp_ns), NANOSECONDS_PER_SECOND)
    stamp = _new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return _new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def _compressed_image(frame: CameraFrame, topic: Topic) -> Any:
    if not frame.encoded:
        raise InputError(topic.name, "the frame holds neither image nor encoded", "set exactly one of them")
    kind = "png" if frame.encoded.startswith(b"\x89PNG") else "jpeg"
    data = np.frombuffer(frame.encoded, np.uint8)
    return _new(topic.type_name, header=_header(frame.stamp_ns, frame.frame_id), format=kind, data=data)


def _camera_image(frame: CameraFrame, topic: Topic) -> Any:
    image = frame.image
    if (
        image is None
        or image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        raise InputError(topic.name, "image is not 8-bit [H, W] mono or [H, W, 3] BGR", "convert it first")
    encoding = "mono8" if image.ndim == 2 else "bgr8"
    return _image(topic.type_name, frame.stamp_ns, frame.frame_id, image, encoding)


def _thermal_image(frame: ThermalFrame, topic: Topic) -> Any:
    if frame.celsius.ndim != 2:
        raise InputError(topic.name, f"celsius has {frame.celsius.ndim} dimensions", "give [H, W] degC")
    celsius = frame.celsius.astype("<f4", copy=False)
    return _image(topic.type_name, frame.stamp_ns, frame.frame_id, celsius, "32FC1")


def _image(type_name: str, stamp_ns: int, frame_id: str, pixels: NDArray[Any], encoding: str) -> Any:
    height, width = pixels.shape[:2]
    if height == 0 or width == 0:
        raise InputError(type_name, f"image is {width}x{height} pixels", "give images with width and height above 0")
    data = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    return _new(
        type_name,
        header=_header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=data.shape[1],
        data=data.reshape(-1),
    )
