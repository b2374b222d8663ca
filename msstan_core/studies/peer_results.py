"""The comparison's runs as a table and as a result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from msstan_core.peers.registry import PEERS
from msstan_core.studies.peer_comparison import MATERIALS, PHASES, Protocol, Run, RunFile
from msstan_core.studies.peer_entrants import MS_STAN, OPINION_SHARE, label, modalities, reads_pixels

#: Columns of the table, by protocol.
SHOWN = {
    MATERIALS: ("accuracy", "macro_f1", "action_map", "event_f1", "paced_event_f1", "imperfection_map"),
    PHASES: ("accuracy", "phase_macro_f1", "action_map", "event_f1", "filtered_event_f1", "ece"),
}
#: What a reader has to know of the figures.
NOTES = (
    "training budget in seconds of one core per model, without feature extraction; all see the same clips' welds, "
    "losses and class weights",
    f"MS-STAN, where there is telemetry, spends the last {OPINION_SHARE:.0%} of its budget on its second opinion on "
    "imperfections, as the shipped model is trained",
    "MS-STAN, the GRUs and the single-tick peers read features of a frozen ImageNet backbone; the pixel peers are "
    "trained from random weights, at reduced width and size as their names say",
    "clip peers update every decision_stride ticks and hold in between; filtered: the same action filter for all, "
    "nothing tuned",
    "paced: what is known while an update at full size is still being computed on one core: late, and held",
    "update_ms: processor time of one update at full size, ONNX Runtime, one thread; measured by msstan bench properly",
)


def spread(runs: Sequence[Run], name: str) -> dict[str, float] | None:
    """Mean over the folds of each seed, then mean and standard deviation over seeds; None where nothing was judged."""
    per_seed = []
    for seed in sorted({r.seed for r in runs}):
        values = [v for r in runs if r.seed == seed and np.isfinite(v := r.figures.get(name, float("nan")))]
        if values:
            per_seed.append(float(np.mean(values)))
    if not per_seed:
        return None
    return {"mean": round(float(np.mean(per_seed)), 4), "std": round(float(np.std(per_seed)), 4)}


def figures_of(runs: Sequence[Run]) -> dict[str, Any]:
    """Every figure of one entrant as mean and spread over seeds, and what its training was."""
    names = dict.fromkeys(name for r in runs for name in r.figures)
    out: dict[str, Any] = {name: found for name in names if (found := spread(runs, name)) is not None}
    out["seeds"] = len({r.seed for r in runs})
    out["folds"] = len({r.fold for r in runs})
    out["steps"] = round(float(np.mean([r.steps for r in runs])))
    out["train_seconds"] = round(float(np.mean([r.train_seconds for r in runs])), 1)
    return out


def ahead_of(runs: Sequence[Run], figures: Sequence[str]) -> dict[str, str]:
    """Who is ahead of MS-STAN in each figure, best first, with the same folds and seeds only.

    Returns:
        figure -> ``GRU 0.72, ... (MS-STAN 0.66)``, or ``nobody``; figures that MS-STAN has not are left out.
    """
    own = {(r.seed, r.fold): r for r in runs if r.entrant == "ms_stan"}
    out: dict[str, str] = {}
    for name in figures:
        shared = [r for r in runs if r.entrant in PEERS and (r.seed, r.fold) in own]
        better: list[tuple[float, str]] = []
        mine = spread(list(own.values()), name)
        if mine is None:
            continue
        for entrant in dict.fromkeys(r.entrant for r in shared):
            theirs = [r for r in shared if r.entrant == entrant]
            found = spread(theirs, name)
            reference = spread([own[r.seed, r.fold] for r in theirs], name)
            sign = -1.0 if name == "ece" else 1.0
            if found and reference and sign * found["mean"] > sign * reference["mean"]:
                better.append((found["mean"], PEERS[entrant].name))
        listed = [f"{peer} {value:.3f}" for value, peer in sorted(better, reverse=name != "ece")]
        out[name] = f"{', '.join(listed) or 'nobody'} (MS-STAN {mine['mean']:.3f})"
    return out


def described(entrant: str) -> dict[str, Any]:
    """What an entrant is, for the result file."""
    out: dict[str, Any] = {"trained_as": label(entrant), "modalities": sorted(m.label for m in modalities(entrant))}
    if entrant in PEERS:
        peer = PEERS[entrant]
        out |= {"timed_as": peer.full.name, "reference": peer.reference, "pixels_from_scratch": reads_pixels(entrant)}
    return out


def content(files: Sequence[tuple[Protocol, RunFile]], timings: Mapping[str, float]) -> dict[str, Any]:
    """``metrics`` (MS-STAN), ``baselines`` (peers), ``seeds``, ``details`` for the result file.

    The headline figures of ``metrics`` are those of the first protocol; the others stand below their protocol's name.
    """
    metrics: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for protocol, file in files:
        for entrant in dict.fromkeys(r.entrant for r in file.runs):
            figures = figures_of([r for r in file.runs if r.entrant == entrant])
            if entrant in timings:
                figures["update_ms"] = {"p50": timings[entrant]}
            if entrant == "ms_stan" and not metrics:
                metrics |= figures
            own = metrics if entrant in MS_STAN else baselines
            own.setdefault(entrant if entrant in MS_STAN else PEERS[entrant].name, {})[protocol.name] = figures
    runs = [r for _, file in files for r in file.runs]
    return {
        "seeds": len({r.seed for r in runs}),
        "metrics": metrics,
        "baselines": baselines,
        "details": {
            "protocols": [asdict(protocol) for protocol, _ in files],
            "ms_stan_is_behind": {p.name: ahead_of(file.runs, SHOWN[p.name]) for p, file in files},
            "notes": list(NOTES),
            "entrants": {e: described(e) for e in dict.fromkeys(r.entrant for r in runs)},
            "seconds_of_training": round(sum(r.train_seconds for r in runs), 1),
        },
    }


def table(protocol: Protocol, file: RunFile, timings: Mapping[str, float]) -> Table:
    """Entrants of one protocol, best first."""
    columns = SHOWN[protocol.name]
    out = Table("trained", "seeds", *columns, "ms/update (full size)", title=protocol.name)
    rows = []
    for entrant in dict.fromkeys(r.entrant for r in file.runs):
        own = [r for r in file.runs if r.entrant == entrant]
        found = [spread(own, name) for name in columns]
        cells = ["" if f is None else f"{f['mean']:.3f} ± {f['std']:.3f}" for f in found]
        milliseconds = f"{timings[entrant]:.1f}" if entrant in timings else ""
        seeds = str(len({r.seed for r in own}))
        rows.append((-(found[1] or {"mean": 0.0})["mean"], (label(entrant), seeds, *cells, milliseconds)))
    for _, cells_of_row in sorted(rows):
        out.add_row(*cells_of_row)
    return out
