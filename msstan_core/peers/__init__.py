"""The networks that MS-STAN is compared with, small and faithful to their papers; never part of the live monitor."""
