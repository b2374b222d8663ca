"""NumPy's own threads: what the monitor computes outside the network is too small to be shared among cores."""

from __future__ import annotations

from threadpoolctl import ThreadpoolController


def use_one_thread() -> None:
    """From now on NumPy's products run in the thread that asks for them, in the whole process.

    OpenBLAS otherwise keeps a helper thread per further core, which spins for some milliseconds after each product in
    case another one follows. At thirty ticks a second one always does: a core would be busy with waiting.
    """
    ThreadpoolController().limit(limits=1, user_api="blas")
