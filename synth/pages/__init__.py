"""The HTML pages of an output folder and of a trial.

In: the files of a finished folder. Out: one self-contained `report.html`. Start with `report`.
"""
