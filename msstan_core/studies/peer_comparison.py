"""The comparison with peers: same recordings, folds, seeds and training budget for everybody; every run is kept.

A run is one entrant, seed and fold. Its figures are one line of a JSON-lines file as soon as they are known, so that a
comparison of hours can be stopped and resumed, and runs of another protocol in the same file are left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError
from msstan_core.peers.pixel_clips import Watched
from msstan_core.studies.kept_runs import network_code_sha256, run_names
from msstan_core.studies.peer_entrants import judge
from msstan_core.studies.peer_scores import Reference, pace_ticks, paced, score
from msstan_core.studies.peer_splits import grouped_folds
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording

#: The two protocols: simulated welds on materials never seen, phases of real welds of set-ups never seen.
MATERIALS, PHASES = "unseen_materials", "real_phases"


#: Figures that are also given for a monitor that waits for its updates.
PACED = ("accuracy", "macro_f1", "event_f1", "imperfection_map")


@dataclass(frozen=True, slots=True)
class Protocol:
    """What has to be equal for runs to be compared."""

    name: str  #: MATERIALS or PHASES
    recordings: int
    ticks: int
    data: str  #: hash of which welds these are and how they are labelled
    folds: tuple[tuple[str, ...], ...]  #: groups left out by each
    budget_s: float
    decision_stride: int
    recipe: str  #: name, version and hash of the training configuration
    code: str  #: hash of the code that trains and judges the networks

    @classmethod
    def of(
        cls,
        name: str,
        recordings: Sequence[Recording],
        group: Callable[[Recording], str],
        folds: int,
        budget_s: float,
        decision_stride: int,
        config: TrainingConfig,
    ) -> Protocol:
        """The protocol on these recordings; with materials the largest group is never left out."""
        left_out = grouped_folds(recordings, group, folds, keep_largest=name == MATERIALS)
        return cls(
            name,
            len(recordings),
            sum(len(r.features.time_s) for r in recordings),
            hashlib.sha256("\n".join(run_names(recordings)).encode()).hexdigest()[:12],
            tuple(tuple(sorted(names)) for names in left_out),
            budget_s,
            decision_stride,
            f"{config.name} {config.version} {hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]}",
            network_code_sha256(),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One entrant, seed and fold with its figures."""

    entrant: str
    seed: int
    fold: int
    figures: dict[str, float]
    steps: int
    train_seconds: float


class RunFile:
    """Runs of one protocol in a file that may hold those of others.

    Args:
        path: a JSON-lines file; made when the first run is added. protocol: of the runs that are read and added.
    """

    def __init__(self, path: Path, protocol: Protocol) -> None:
        self._path = path
        self._protocol = json.loads(json.dumps(asdict(protocol)))
        self.runs: list[Run] = []
        self.others = 0  #: runs of other protocols in the file
        if not path.is_file():
            return
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                content = json.loads(line)
                run = Run(**content["run"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}:{number}", f"is no run ({error})", "delete this line") from None
            if content["protocol"] == self._protocol:
                self.runs.append(run)
            else:
                self.others += 1

    def __contains__(self, key: tuple[str, int, int]) -> bool:
        return any((r.entrant, r.seed, r.fold) == key for r in self.runs)

    def add(self, run: Run) -> None:
        """Keep a run, on disk at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"protocol": self._protocol, "run": asdict(run)}) + "\n")
        self.runs.append(run)


def missing_runs(
    file: RunFile, entrants: Iterable[str], seeds: Callable[[str], int], folds: int
) -> Iterator[tuple[str, int, int]]:
    """(entrant, seed, fold) not in the file, seeds and folds outermost: what is cut short is short for everybody."""
    names = list(entrants)
    for seed in range(max((seeds(n) for n in names), default=0)):
        for fold in range(folds):
            yield from ((n, seed, fold) for n in names if seed < seeds(n) and (n, seed, fold) not in file)


def carry_out(
    run: tuple[str, int, int],
    protocol: Protocol,
    config: TrainingConfig,
    watched: Sequence[Watched],
    group: Callable[[Recording], str],
    update_ms: float | None = None,
) -> Run:
    """Train and score one entrant.

    Args:
        run: (entrant, seed, fold). protocol: folds, budget and stride. config: of MS-STAN; everybody's losses.
        watched: all recordings, with frames where the entrant reads pixels. group: of a recording.
        update_ms: what one decision update costs at full size, where it is known; the figures named ``paced_`` are
            then those of a monitor that has to wait for it.
    """
    entrant, seed, fold = run
    left_out = protocol.folds[fold]
    training = [w for w in watched if group(w.recording) not in left_out]
    test = [w for w in watched if group(w.recording) in left_out]
    seeded = config.model_copy(update={"seed": seed})
    judged = judge(entrant, seeded, training, test, protocol.budget_s, protocol.decision_stride)
    known = Reference.of([w.recording for w in training], config.class_balance)
    recordings = [w.recording for w in test]
    figures = score(recordings, judged.logits, known)
    if update_ms is not None:
        ticks = pace_ticks(recordings, update_ms)
        late = score(recordings, [paced(x, ticks) for x in judged.logits], known)
        figures |= {f"paced_{name}": late[name] for name in PACED} | {"pace_ticks": ticks}
    if protocol.name != PHASES:
        del figures["phase_macro_f1"]
    return Run(entrant, seed, fold, figures, judged.steps, round(judged.train_seconds, 2))


def without_frames(recordings: Sequence[Recording]) -> list[Watched]:
    """Recordings for entrants that read no pixels."""
    import numpy as np

    none = np.zeros((0, 1, 1, 3), np.uint8)
    return [Watched(r, none) for r in recordings]


def with_frames(watched: Sequence[Watched], read: Callable[[Recording], Any]) -> list[Watched]:
    """The same recordings with the camera's frames, read by ``read``."""
    return [replace(w, frames=read(w.recording)) for w in watched]
