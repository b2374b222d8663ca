"""The one exception for bad input: says what is wrong, where, and what to do, in one line."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from outside (a file, a field, an argument). The command line prints it and exits with status 1.

    Args:
        where: file, topic or argument that is at fault.
        problem: what is wrong with it, naming the field, its unit and range where there is one.
        remedy: what the user can do.
    """

    def __init__(self, where: object, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}; {remedy}")
        self.where = str(where)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """From its three parts again, where it was raised in another process."""
        return type(self), (self.where, self.problem, self.remedy)
