"""MS-STAN weld monitoring: the library. It never imports ROS (test/core/test_no_ros.py holds it to that)."""

__version__ = "0.1.0"
