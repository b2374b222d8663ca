"""Recordings: rosbag2 bags with the live topics, their annotations, and importers that make bags of other formats."""
