"""Package msstan_ros: for colcon (ament_python) and for pip alike."""

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "msstan_ros"
VERSION = re.search(r'__version__ = "(.+)"', Path("msstan_core/__init__.py").read_text(encoding="utf-8")).group(1)

#: Every file *_node.py is an executable of its name; every module in commands/ adds a command to `msstan`.
NODES = sorted(file.stem for file in Path(PACKAGE).glob("*_node.py"))
COMMANDS = sorted(file.stem for file in Path(PACKAGE, "commands").glob("[a-z]*.py"))

#: What `msstan bench` measures over DDS: name -> function of msstan_ros.live_benchmark.
BENCHMARKS = {"live": "measure", "soak": "soak"}

#: Folders that go to share/msstan_ros with all files below. The message texts are there so that recordings can be
#: read where no ROS is installed.
SHARED = ("launch", "config", "models", "msstan_msgs/msg")


def shared_files():
    """(destination, files) of every shared folder, as data_files wants it."""
    for top in SHARED:
        for folder in sorted({file.parent for file in Path(top).rglob("*") if file.is_file()}):
            if folder.name != "__pycache__":
                yield f"share/{PACKAGE}/{folder}", [str(f) for f in sorted(folder.iterdir()) if f.is_file()]


setup(
    name=PACKAGE,
    version=VERSION,
    description="Weld monitor for ROS 2: actions and suspected imperfections from cameras, sound and telemetry",
    license="Apache-2.0",
    maintainer="msstan maintainers",
    maintainer_email="msstan@users.noreply.github.com",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["msstan_core", "msstan_core.*", "msstan_ros", "msstan_ros.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared_files(),
    ],
    zip_safe=False,
    # Ranges; the tested versions are pinned in requirements/. ROS itself comes from the distribution or ros.txt.
    install_requires=[
        "numpy>=1.26",
        "scipy>=1.11",
        "opencv-python-headless>=4.6",
        "onnxruntime>=1.17",
        "rosbags>=0.11",
        "soundfile>=0.12",
        "pydantic>=2.5",
        "PyYAML>=6.0",
        "rich>=13.0",
        "matplotlib>=3.6",
        "threadpoolctl>=3.1",
    ],
    extras_require={"training": ["torch>=2.4", "onnx>=1.16", "onnxscript>=0.3", "scikit-learn>=1.3"]},
    entry_points={
        "console_scripts": [
            "msstan = msstan_core.cli:main",
            *(f"{node} = {PACKAGE}.{node}:main" for node in NODES),
        ],
        "msstan.benchmarks": [f"{name} = {PACKAGE}.live_benchmark:{call}" for name, call in BENCHMARKS.items()],
        "msstan.commands": [f"{command} = {PACKAGE}.commands.{command}:register" for command in COMMANDS],
    },
)
