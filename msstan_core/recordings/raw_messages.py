"""One message of a bag: serialised as it was recorded, its stamp, and its content."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from msstan_core.errors import InputError
from msstan_core.messages import match_topic, sample_from_message
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.recordings.bag_faults import one_line
from msstan_core.recordings.serialization import INTERFACE_PACKAGE, message_from_sample, message_types, serialize


class RawMessage(NamedTuple):
    """One recorded message, still serialised."""

    topic: str  #: as recorded, e.g. "/camera/image_raw/compressed"
    type_name: str
    time_ns: int  #: when it was recorded (not its stamp)
    cdr: bytes


def types_of(connection: Connection) -> Typestore:
    """Types to read a topic with: this version's, or the recorded definition where that differs."""
    ours = message_types()
    if not connection.msgtype.startswith(f"{INTERFACE_PACKAGE}/"):
        return ours
    definition = connection.msgdef
    if (
        connection.digest == ours.hash_rihs01(connection.msgtype)
        or definition.format is not MessageDefinitionFormat.MSG
    ):
        return ours
    recorded = get_typestore(Stores.ROS2_JAZZY)
    recorded.register(
        {n: d for n, d in get_types_from_msg(definition.data, connection.msgtype).items() if n not in recorded.types}
    )
    return recorded


def decoded(message: RawMessage, types: Typestore) -> Any:
    """Its content, as an object with the message's fields.

    Raises:
        InputError: when it is damaged.
    """
    try:
        return types.deserialize_cdr(message.cdr, message.type_name)
    except Exception as error:  # damaged CDR fails anywhere inside rosbags
        problem = f"undecodable {message.type_name} ({one_line(error)})"
        raise InputError(message.topic, problem, "record it again") from error


def in_this_layout(message: RawMessage, types: Typestore) -> RawMessage:
    """A message of an earlier version of our interfaces as this version would have recorded it.

    Raises:
        InputError: when it is damaged, or no sample.
    """
    topic = match_topic(message.topic)
    if topic is None:
        return message
    sample = sample_from_message(topic.kind, decoded(message, types))
    return message._replace(cdr=bytes(serialize(*message_from_sample(sample))))


def header_stamp_ns(message: RawMessage) -> tuple[int, int]:
    """Stamp and record time of a message whose first field is a header, without decoding the rest."""
    if len(message.cdr) < 12:
        return 0, message.time_ns
    order = "<" if message.cdr[1] & 1 else ">"  # CDR encapsulation: odd means little endian
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", message.cdr, 4)
    return max(0, seconds * NANOSECONDS_PER_SECOND + nanoseconds), message.time_ns
