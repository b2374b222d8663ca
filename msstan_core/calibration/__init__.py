"""After training: what makes a network's answers mean what they say, fitted on recordings it has not learnt from.

Temperatures of the actions (``temperatures``), the action filter (``filter_fitting``), thresholds of suspicions
(``imperfections``, ``novelty``), alarm limits with a rate of false alarms (``conformal``, ``joint``), and the same for
fewer sensors (``subsets``). ``finishing`` joins what follows a training; ``recalibration`` gives a finished model other
alarm limits, from nominal welds and without torch.
"""
