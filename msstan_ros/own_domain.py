"""A ROS domain that nobody else on this machine uses, for systems that run beside others and must not hear them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from msstan_core.errors import InputError

#: UDP ports of a domain, as the RTPS specification maps them (9.6.2.3): from 7400 + 250 x domain, where participants
#: that look beyond this machine listen together, to the next domain's; each participant has two of its own.
FIRST_PORT, PORTS_PER_DOMAIN = 7400, 250
#: 0 is everybody's. From 102 on the ports lie where Linux takes those of outgoing connections from (32768).
DOMAINS = range(1, 101)


@contextmanager
def own_domain() -> Iterator[int]:
    """A domain in which nobody on this machine listens, claimed until the end of the block or of this process.

    Others that look for a domain in this way do not get it meanwhile. A ROS system that is started by hand with the
    same ``ROS_DOMAIN_ID`` could still join; the search begins at the rarely used end.

    Raises:
        InputError: when every domain is in use.
    """
    with ExitStack() as held:
        for domain in reversed(DOMAINS):
            *ports, last = range(FIRST_PORT + PORTS_PER_DOMAIN * domain, FIRST_PORT + PORTS_PER_DOMAIN * (domain + 1))
            # No participant takes the last port before 120 of them are there: whoever holds it has the domain.
            with ExitStack() as trial:
                if (claim := _bound(last)) is None:
                    continue
                trial.enter_context(claim)
                if not all(map(_is_free, ports)):
                    continue
                held.push(trial.pop_all())
            yield domain
            return
    raise InputError("ROS domains", f"all of {DOMAINS[0]} to {DOMAINS[-1]} are in use", "end other ROS systems here")


def _is_free(port: int) -> bool:
    bound = _bound(port)
    if bound is not None:
        bound.close()
    return bound is not None


def _bound(port: int) -> socket.socket | None:
    """The UDP port for this process alone; None where anybody has it, be it for sharing."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.bind(("", port))
    except OSError:
        udp.close()
        return None
    return udp
