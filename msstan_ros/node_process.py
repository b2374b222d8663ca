"""The life of a node as a process: start, spin, end on SIGINT or SIGTERM, one line for bad input."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from msstan_core.errors import InputError
from msstan_core.linear_algebra import use_one_thread
from msstan_ros.end_signals import EndSignals

#: Set for a node that is to end when its standard input does: whoever started it holds the other end.
LIFELINE = "MSSTAN_ENDS_WITH_STDIN"
#: After its starter is gone a node has this long to end by itself, s; a transition that loads a model fits in.
ORPHAN_GRACE_S = 10.0
#: Exit status of a node that did not.
HUNG_STATUS = 70
#: Where rcl's own source raised an error; it appends them.
_SOURCE_PLACE = re.compile(r",\s+at \S+:\d+")


def end_with_starter() -> None:
    """Where :data:`LIFELINE` is set, a thread interrupts this process once its starter is gone, killed or not.

    A process that does not end then, because its node hangs, is ended all the same, with status :data:`HUNG_STATUS`:
    nobody is left who would.
    """
    if not os.environ.pop(LIFELINE, ""):
        return

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(ORPHAN_GRACE_S)
        said = f"process {os.getpid()} does not end {ORPHAN_GRACE_S:g} s after its starter: ended by force\n"
        with contextlib.suppress(OSError):  # who read the output may be gone too
            os.write(2, said.encode())  # not through sys.stderr, which a hung thread may hold
        os._exit(HUNG_STATUS)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def until_shutdown(node: Node, work: Callable[[], None]) -> Callable[[], None]:
    """``work`` for a thread of its own: what fails because the context was shut down meanwhile is no failure.

    Whoever ends the process may shut the context down at any moment, also between a check of it and the publication
    that follows. Any other failure ends the process with status 1: a node without its thread would stay and do nothing.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:
            if not node.context.ok():
                return
            node.exit_status = 1
            said = str(error) if isinstance(error, InputError) else traceback.format_exc()
            node.get_logger().error(said)
            node.context.try_shutdown()

    return run


def last_word(node: Node, say: Callable[[], None]) -> None:
    """``say`` something as a part of the node ends, unless the context is shut down before or meanwhile."""
    if not node.context.ok():
        return
    try:
        say()
    except Exception:
        if node.context.ok():
            raise
        # Another thread shut the context down between the check and the publication: nobody hears any more.


def run_node(make: Callable[[], Node], arguments: list[str] | None = None) -> int:
    """Make a node, spin it in a single-threaded executor until a signal comes or the context is shut down, close it.

    ROS still runs while the node's ``close()`` does: what it says there is heard.

    Args:
        make: constructs the node; an InputError from it becomes one line and exit status 1.
        arguments: command line including ``--ros-args``; None: the process's own.

    Returns:
        The node's ``exit_status`` (0 when it has none, or when it was told to end before it was made); 1 for ROS
        arguments or a params file that cannot be read, which are one line too.
    """
    use_one_thread()
    end_with_starter()
    try:
        with EndSignals() as signals:
            return _run_node(make, arguments, signals)
    except KeyboardInterrupt:  # in the moment before the signals are dealt with, or after
        return 0


def _run_node(make: Callable[[], Node], arguments: list[str] | None, signals: EndSignals) -> int:
    try:
        rclpy.init(args=arguments, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    except RuntimeError as error:  # of rcl, which has no error of its own for a command line that it cannot read
        said = " ".join(_SOURCE_PLACE.sub("", f"{type(error).__name__}: {error}").split())
        refusal = InputError("start of ROS 2", said, "correct the command line, the params file or the environment")
        print(refusal, file=sys.stderr, flush=True)
        return 1
    executor = SingleThreadedExecutor()  # before the node: a thread of its may shut the context down at once
    try:
        node = make()
    except InputError as error:
        print(f"{error}", file=sys.stderr, flush=True)
        rclpy.try_shutdown()
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()
        return 0
    except Exception:
        if rclpy.ok():
            raise
        return 0  # the context was shut down while the node was being made
    return _spun_and_closed(node, executor, signals)


def _spun_and_closed(node: Node, executor: SingleThreadedExecutor, signals: EndSignals) -> int:
    try:
        signals.spin(executor, node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # the ordinary ways to be told to end
    except Exception:
        if rclpy.ok():
            raise
        # A thread of the node shut the context down between two steps of the executor, which then trips over it.
    finally:
        if hasattr(node, "close"):
            node.close()
        status = int(getattr(node, "exit_status", 0))
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
    return status
