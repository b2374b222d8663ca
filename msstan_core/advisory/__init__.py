"""From anomaly events to parameter advice that never leaves the welding procedure: procedures (WPS files), rules, the
gate and the follower at the robot's end. Nothing here knows ROS.
"""
