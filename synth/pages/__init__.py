"""What people read: the HTML pages of a run and of a trial.

In: the files of a finished output folder. Out: one self-contained `report.html`. Start with `report`.
"""
