"""Writing bags: complete or not at all.

A bag grows in a hidden folder beside its destination and takes its name only when it is whole, so that a killed import
leaves no half bag.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from msstan_core.errors import InputError
from msstan_core.messages import Topic, TopicKind
from msstan_core.observation import AudioChunk, Sample
from msstan_core.recordings.annotations import FILE_NAME, Annotation, write_annotations
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize

_FOREVER = QosTime(sec=9223372036, nsec=854775807)  # rmw's "no deadline, no lifespan"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _qos(reliability: QosReliability, durability: QosDurability, depth: int) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        reliability,
        durability,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


def recorded_qos(kind: TopicKind) -> Qos:
    """The profile a topic is offered with live, which ``ros2 bag play`` takes up again."""
    if kind is TopicKind.CONTEXT:
        return _qos(QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, 1)
    depth = 50 if kind is TopicKind.ACOUSTIC else 5
    return _qos(QosReliability.BEST_EFFORT, QosDurability.VOLATILE, depth)


@dataclass(slots=True)
class StreamStatistics:
    """What was written to one topic."""

    topic: Topic
    count: int = 0
    bytes: int = 0  #: serialised, before the file's compression
    first_ns: int = 0
    last_ns: int = 0

    @property
    def rate_hz(self) -> float:
        """Mean rate; NaN below two messages."""
        span_s = (self.last_ns - self.first_ns) / 1e9
        return (self.count - 1) / span_s if span_s > 0 else float("nan")


class BagWriter:
    """Writes a bag. Use as a context manager; the bag appears at ``path`` when the block ends without an exception.

    The recorded time of a sample is when it could have been known: its stamp, or the end of an audio chunk, so that
    replay never hears the future.

    Args:
        path: folder to create.
        attributes: what is known about the recording, into ``custom_data`` of metadata.yaml.
        compress: store MCAP chunks with zstd (lossless).

    Raises:
        InputError: when ``path`` exists, nothing was written, or the disk is full.
    """

    def __init__(self, path: Path | str, attributes: Mapping[str, str] | None = None, *, compress: bool = True) -> None:
        self.path = Path(path)
        if self.path.exists():
            raise InputError(self.path, "exists already", "remove it or give another name")
        self.attributes: dict[str, str] = dict(attributes or {})
        self.annotations: list[Annotation] = []
        self.streams: dict[TopicKind, StreamStatistics] = {}
        self._compress = compress
        self._connections: dict[TopicKind, Connection] = {}
        self._growing: Path | None = None
        self._writer: Writer | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._growing = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.partial-", dir=self.path.parent))
            # The file inside is named after its folder, hence the destination's name one level down.
            self._writer = Writer(
                self._growing / self.path.name, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP
            )
            if self._compress:
                self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from error
        return self

    def write(self, sample: Sample) -> None:
        """Append one sample. Samples may come in any order; readers sort by recorded time.

        Raises:
            InputError: when the disk is full, or the sample cannot be a message.
        """
        topic, message = message_from_sample(sample)
        cdr = serialize(topic, message)
        recorded_ns = sample.end_stamp_ns if isinstance(sample, AudioChunk) else sample.stamp_ns
        try:
            self._open_writer.write(self._connection(topic), recorded_ns, cdr)
        except OSError as error:
            raise self._unwritable(error) from error
        stream = self.streams.setdefault(topic.kind, StreamStatistics(topic, first_ns=sample.stamp_ns))
        stream.count += 1
        stream.bytes += len(cdr)
        stream.first_ns = min(stream.first_ns, sample.stamp_ns)
        stream.last_ns = max(stream.last_ns, sample.stamp_ns)

    def annotate(self, annotations: Iterable[Annotation]) -> None:
        """Add labels, in seconds from the bag's first stamp."""
        self.annotations.extend(annotations)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abort()
            return
        try:
            self._finish()
        except OSError as failure:
            self._abort()
            raise self._unwritable(failure) from failure
        except BaseException:
            self._abort()
            raise

    @property
    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("use BagWriter in a with statement")
        return self._writer

    def _connection(self, topic: Topic) -> Connection:
        if topic.kind not in self._connections:
            self._connections[topic.kind] = self._open_writer.add_connection(
                f"/{topic.name}",
                topic.type_name,
                typestore=message_types(),
                offered_qos_profiles=[recorded_qos(topic.kind)],
            )
        return self._connections[topic.kind]

    def _finish(self) -> None:
        writer = self._open_writer
        if not self.streams:
            raise InputError(self.path, "nothing to record: no sample was written", "check the source's streams")
        for key, value in self.attributes.items():
            writer.set_custom_data(key, value)
        writer.close()
        self._writer = None
        assert self._growing is not None
        bag = self._growing / self.path.name
        if self.annotations:
            write_annotations(bag / FILE_NAME, self.annotations)
        if self.path.exists():  # rename would replace an empty folder silently
            raise InputError(self.path, "was created by somebody else meanwhile", "remove it or give another name")
        bag.rename(self.path)
        self._discard()

    def _abort(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # the first failure is the one to report, and the file goes anyway
                self._writer.abort()
            self._writer = None
        self._discard()

    def _discard(self) -> None:
        if self._growing is not None:
            shutil.rmtree(self._growing, ignore_errors=True)
            self._growing = None

    def _unwritable(self, error: OSError) -> InputError:
        if error.errno in _DISK_FULL:
            return InputError(self.path, "no space left on the disk", "free space or choose another place")
        return InputError(self.path, f"cannot be written ({error.strerror or error})", "choose another place")
