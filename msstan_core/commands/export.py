"""``msstan export``: the ONNX step graph of a trained model, checked against torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="export a model folder's weights to ONNX",
        description="Write step.onnx from weights.pt, one graph with explicit streaming state, and its parts look.onnx "
        "(the camera backbone), held_step.onnx (the rest) and, of a model that may skip frames, gate.onnx, whether "
        "these are there, missing or corrupt. A graph is kept only when it agrees with torch to 1e-4 over 80 random "
        "ticks.",
    )
    parser.add_argument("model_dir", type=Path, help="model folder, as written by msstan train")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export and update the card: hashes, and the difference to torch."""
    from msstan_core.inference.card_text import CARD_TEXT_FILE, card_markdown
    from msstan_core.inference.export import export_step
    from msstan_core.inference.model_package import STEP_FILE, load_package, save_card
    from msstan_core.inference.network import load_network
    from msstan_core.output_files import check_output_file

    package = load_package(arguments.model_dir, without_graphs=True)
    check_output_file(package.directory / STEP_FILE)
    difference = export_step(load_network(package), package.directory)
    measured = package.card.model_copy(update={"metrics": {**package.card.metrics, "onnx_difference": difference}})
    card = save_card(package.directory, measured)
    (package.directory / CARD_TEXT_FILE).write_text(card_markdown(card), encoding="utf-8")
    size_kb = (package.directory / STEP_FILE).stat().st_size / 1024
    print(f"{package.directory / STEP_FILE}: {size_kb:.0f} kB, largest difference to torch {difference:.1e}")
    return 0
