"""The parser behind ``msstan``: what it refuses is one line, as every other refusal is, not the usage of a command."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

EXIT_BAD_ARGUMENTS = 2

#: What argparse says of a value that its type refuses, by type; and what people say.
_NO_VALUES = {"int": "is no whole number", "float": "is no number"}
_NO_VALUE = re.compile(r"^invalid (?P<type>\w+) value: (?P<value>.+)$", re.DOTALL)
_MISSING = re.compile(r"^the following arguments are required: (?P<names>.+)$", re.DOTALL)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser, with errors of one line that name the argument, what is wrong with it and where to look.

    Its subparsers are of this class too, and say themselves what they do not know.
    """

    def parse_known_args(  # type: ignore[override]  # argparse's has overloads for namespaces of other classes
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse has it, but nothing is left over: the command that was meant refuses what it does not know."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{' '.join(unknown)}: not known here")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with EXIT_BAD_ARGUMENTS."""
        said = " ".join(_in_words(message).split())
        self.exit(EXIT_BAD_ARGUMENTS, f"{self.prog}: {said}; see {self.prog} --help\n")


def _in_words(message: str) -> str:
    """``argument --seeds: invalid int value: 'abc'`` -> ``--seeds: 'abc' is no whole number``."""
    if missing := _MISSING.match(message):
        return f"{missing['names']}: must be given"
    if not message.startswith("argument "):
        return message
    name, _, problem = message.removeprefix("argument ").partition(": ")
    refused = _NO_VALUE.match(problem)
    if refused and refused["type"] in _NO_VALUES:
        problem = f"{refused['value']} {_NO_VALUES[refused['type']]}"
    return f"{name}: {problem}"
