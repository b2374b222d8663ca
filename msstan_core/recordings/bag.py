"""Bags: rosbag2 folders (``metadata.yaml`` and an ``.mcap`` file) with the monitor's live topics.

The only format of recordings, replay and tests. What is written here plays with ``ros2 bag play``; what
``ros2 bag record`` wrote reads here, under any namespace. The bag's clock ("time zero" of annotations and of replay)
is its first stamp: the earliest acquisition stamp among the first messages of the monitor's topics.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling
from msstan_core.messages import Topic, TopicKind, is_unset, match_topic, refuse_unset_stamp, sample_from_message
from msstan_core.observation import NANOSECONDS_PER_SECOND, Sample
from msstan_core.recordings.annotations import FILE_NAME, Annotation, Extent, read_annotations
from msstan_core.recordings.bag_faults import broken, check_bag, unopened
from msstan_core.recordings.bag_writer import BagWriter
from msstan_core.recordings.raw_messages import RawMessage, decoded, header_stamp_ns, in_this_layout, types_of
from msstan_core.recordings.serialization import message_types
from msstan_core.vocabulary import Modality

__all__ = ["BagReader", "BagWriter", "RecordedTopic"]

#: A context that reached the recorder this much later than any sample, by its stamp, was told before the recording, ns.
_LATCHED_NS = NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class RecordedTopic:
    """One topic of a bag."""

    name: str  #: as recorded
    type_name: str
    count: int
    matches: Topic | None  #: the monitor's topic it stands for
    ignored: str  #: why the monitor does not read it; "" when it does


class BagReader:
    """Reads a bag. Use as a context manager.

    Args:
        path: bag folder, or a lone ``.mcap`` file.
        namespace: which cell to read where a bag holds several ("/cell_2"); None: the only one there is.
        scaling: meaning of 16-bit images; see :class:`~msstan_core.image_encodings.SensorScaling`.

    Raises:
        InputError: on entering, when it is no readable bag.

    Messages that cannot be used (see :func:`~msstan_core.messages.sample_from_message`) do not end the reading: they
    are counted in :attr:`rejected` by topic, and the first reason of each topic is kept in :attr:`reasons`.
    """

    def __init__(self, path: Path | str, *, namespace: str | None = None, scaling: SensorScaling | None = None) -> None:
        self.path = Path(path)
        self.namespace = None if namespace is None else "/" + namespace.strip("/") if namespace.strip("/") else ""
        self.rejected: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self._scaling = scaling
        self._reader: Reader | None = None
        self._firsts: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        check_bag(self.path)
        try:
            reader = Reader(self.path)
            reader.open()
        except Exception as error:  # rosbags answers broken files with many types of exception
            raise unopened(self.path, error) from error
        self._reader = reader
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @property
    def topics(self) -> list[RecordedTopic]:
        """All topics of the bag, sorted by name."""
        matched = [(c, self._match(c)) for c in self._open_reader.connections]
        preferred: dict[TopicKind, Counter[str]] = {}
        for connection, (topic, ignored) in matched:
            if topic is not None and not ignored:
                preferred.setdefault(topic.kind, Counter())[connection.topic] += connection.msgcount
        raw, compressed = (
            sum(preferred.get(kind, Counter()).values()) for kind in (TopicKind.CAMERA, TopicKind.CAMERA_COMPRESSED)
        )
        weaker = TopicKind.CAMERA_COMPRESSED if raw >= compressed else TopicKind.CAMERA
        rows = []
        for connection, (topic, ignored) in matched:
            if not ignored and topic is not None and raw and compressed and topic.kind is weaker:
                ignored = "the camera's images are read from its other topic"
            rows.append(RecordedTopic(connection.topic, connection.msgtype, connection.msgcount, topic, ignored))
        return sorted(rows, key=lambda row: row.name)

    def one_cell(self, topics: Mapping[str, Topic]) -> None:
        """Check that recorded topics are of one cell: each of the monitor's topics once.

        Raises:
            InputError: naming the cells.
        """
        if len({topic.kind for topic in topics.values()}) < len(topics):
            spaces = sorted({name[: -len(topic.name)].rstrip("/") for name, topic in topics.items()})
            names = ", ".join(space or "/" for space in spaces)
            raise InputError(self.path, f"holds several cells: {names}", "choose one by its namespace or topics")

    @property
    def attributes(self) -> dict[str, str]:
        """What is recorded about the recording (``custom_data`` of metadata.yaml): group, run_id, importer, ..."""
        metadata: Any = self._open_reader.storage.metadata
        return {str(k): str(v) for k, v in (metadata.custom or {}).items()}

    @property
    def annotations(self) -> list[Annotation]:
        """The labels beside the bag, sorted by start; empty when there are none.

        Raises:
            InputError: naming file and line of an entry that is wrong or lies outside the bag.
        """
        path = (self.path if self.path.is_dir() else self.path.parent) / FILE_NAME
        if not path.is_file():
            return read_annotations(path)
        return read_annotations(path, self.extent(max((a.end_s for a in read_annotations(path)), default=0.0)))

    @property
    def start_ns(self) -> int:
        """The bag's first stamp: zero of ``annotations.csv`` and of replay's ``time_s``."""
        return min(stamp for stamp, _ in self._first_stamps())

    @property
    def end_ns(self) -> int:
        """Bag time of the last message (of any topic)."""
        return self._open_reader.end_time - 1  # rosbags' end is exclusive

    @property
    def duration_s(self) -> float:
        """From the first stamp to the last message."""
        return (self.end_ns - self.start_ns) / NANOSECONDS_PER_SECOND

    @property
    def stamped_s(self) -> float:
        """From the first stamp to the newest, read from all messages: a replay at another pace is recorded in another
        time than it tells of.
        """
        stamps = (header_stamp_ns(raw)[0] for raw in self._messages(list(self._inputs())))
        return (max(stamps, default=self.start_ns) - self.start_ns) / NANOSECONDS_PER_SECOND

    def seconds(self, stamp_ns: int) -> float:
        """A stamp on the bag's own clock: s from the first stamp."""
        return (stamp_ns - self.start_ns) / NANOSECONDS_PER_SECOND

    def samples(self, modalities: Collection[Modality] | None = None) -> Iterator[Sample]:
        """Observations in the order they were recorded; the weld context always, sensors if in ``modalities``.

        Raises:
            InputError: when the bag holds none of the monitor's topics, several cells, or is damaged further on.
        """
        wanted = [
            (connection, topic)
            for connection in self._inputs()
            if (topic := match_topic(connection.topic)) is not None
            and (modalities is None or topic.modality is None or topic.modality in modalities)
        ]
        if not wanted:
            return
        types = {connection.msgtype: types_of(connection) for connection, _ in wanted}
        kinds = {connection.topic: topic.kind for connection, topic in wanted}
        for message in self._messages([connection for connection, _ in wanted]):
            try:
                content = decoded(message, types[message.type_name])
                sample = sample_from_message(kinds[message.topic], content, self._scaling)
                refuse_unset_stamp(sample, message.time_ns, message.topic)
            except InputError as error:
                self._reject(message.topic, error)
            else:
                yield sample

    def _reject(self, topic: str, error: InputError) -> None:
        self.rejected[topic] += 1
        self.reasons.setdefault(topic, str(error))

    @property
    def rejections(self) -> list[str]:
        """A line for each topic of which :meth:`samples` has refused messages so far, with the first reason."""
        return [f"{topic}: {n} messages rejected; first: {self.reasons[topic]}" for topic, n in self.rejected.items()]

    def raw(
        self, topics: Collection[str] | None = None, *, from_ns: int | None = None, to_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Messages still serialised, in recorded order, of these recorded topic names (None: all of the bag's).

        ``from_ns`` (included) and ``to_ns`` (not included) limit the time of recording.
        """
        connections = [c for c in self._open_reader.connections if topics is None or c.topic in topics]
        return self._messages(connections, from_ns, to_ns) if connections else iter(())

    def playable(
        self, topics: Collection[str] | None = None, *, from_ns: int | None = None, to_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """As :meth:`raw`, and what an earlier version recorded is in the layout that is published today."""
        connections = [c for c in self._open_reader.connections if topics is None or c.topic in topics]
        earlier = {c.topic: types for c in connections if (types := types_of(c)) is not message_types()}
        for message in self.raw(topics, from_ns=from_ns, to_ns=to_ns):
            if message.topic in earlier:
                try:
                    yield in_this_layout(message, earlier[message.topic])
                except InputError as error:
                    self._reject(message.topic, error)
            else:
                yield message

    def _first_stamps(self) -> list[tuple[int, int]]:
        """(stamp, when it was recorded) of the first message of each topic that the monitor reads and that has one.

        Without a context that was told before the recording began and was only handed to the recorder then.
        """
        if not self._firsts:
            sensors: list[tuple[int, int]] = []
            others: list[tuple[int, int]] = []
            for connection in self._inputs():
                topic = match_topic(connection.topic)
                for raw in self._messages([connection]):
                    stamp, recorded = header_stamp_ns(raw)
                    if not is_unset(stamp, recorded):
                        (others if topic is None or topic.modality is None else sensors).append((stamp, recorded))
                    break
            if not sensors and not others:
                raise InputError(self.path, "no message has a stamp", "stamp messages with the acquisition time")
            late_ns = max((recorded - stamp for stamp, recorded in sensors), default=math.inf) + _LATCHED_NS
            self._firsts = sensors + [(stamp, recorded) for stamp, recorded in others if recorded - stamp <= late_ns]
        return self._firsts

    def extent(self, needed_s: float = 0.0) -> Extent:
        """What labels must lie in; all messages are looked at only where a label ends, at ``needed_s``, beyond it."""
        # Where stamps are ahead of the recorder's clock the last ones are, too.
        ahead_ns = max(0, *(stamp - recorded for stamp, recorded in self._first_stamps()))
        # The last sample of the densest sensor may be this long before the end.
        sensors = [row for row in self.topics if row.matches is not None and row.matches.modality is not None]
        samples = max((row.count for row in sensors if not row.ignored), default=0)
        length_s = self.duration_s + ahead_ns / NANOSECONDS_PER_SECOND
        length_s += length_s / max(1, samples - 1)
        return Extent(self.start_ns, max(length_s, self.stamped_s) if needed_s > length_s else length_s)

    @property
    def _open_reader(self) -> Reader:
        if self._reader is None:
            raise RuntimeError("use BagReader in a with statement")
        return self._reader

    def _match(self, connection: Connection) -> tuple[Topic | None, str]:
        """The monitor's topic for a recorded one, and why it is not read if so."""
        topic = match_topic(connection.topic)
        if topic is None:
            return None, "not one of the monitor's topics"
        if connection.msgtype != topic.type_name:
            return None, f"its type is {connection.msgtype}, not {topic.type_name}"
        if self.namespace is not None and connection.topic.lstrip("/") != f"{self.namespace}/{topic.name}".lstrip("/"):
            return topic, f"outside the namespace {self.namespace or '/'}"
        return topic, ""

    def _inputs(self) -> list[Connection]:
        """Connections the monitor reads; one namespace only."""
        read = {row.name: row.matches for row in self.topics if not row.ignored and row.matches is not None}
        if not read:
            known = ", ".join(row.name for row in self.topics) or "none"
            where = "" if self.namespace is None else f" in the namespace {self.namespace or '/'}"
            remedy = "remap or import them" if self.namespace is None else "name the namespace of a cell that it has"
            raise InputError(self.path, f"holds none of the monitor's topics{where} (it has: {known})", remedy)
        self.one_cell(read)
        return [c for c in self._open_reader.connections if c.topic in read]

    def _messages(
        self, connections: list[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[RawMessage]:
        messages = self._open_reader.messages(connections, start, stop)
        while True:
            try:
                connection, time_ns, cdr = next(messages)
            except StopIteration:
                return
            except Exception as error:  # see __enter__
                raise broken(self.path, error) from error
            yield RawMessage(connection.topic, connection.msgtype, time_ns, cdr)
