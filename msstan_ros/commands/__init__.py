"""Commands of ``msstan`` that need ROS; registered through the entry-point group ``msstan.commands``."""
