"""CMake targets of the ROS wheels, made to fit this machine."""

from __future__ import annotations


def relocated(text: str, python_include: str, numpy_include: str) -> str:
    """CMake code with the build image's include folders replaced by this machine's."""
    prefix = "/opt/python/"
    if prefix not in text:
        return text
    out = []
    for position, piece in enumerate(text.split(prefix)):
        if position == 0:
            out.append(piece)
            continue
        end = min((i for i in (piece.find(c) for c in '";)> \n') if i >= 0), default=len(piece))
        path, rest = piece[:end], piece[end:]
        if path.endswith("numpy/_core/include"):
            path = numpy_include
        elif "/include/python3." in path:
            path = python_include
        else:
            path = prefix + path
        out.append(path + rest)
    return "".join(out)
