"""The output folder: written in a staging folder, committed as a whole, audited later.

In: candidates with their verdicts. Out: image files, the manifest and the root files. Start with `writer`.
"""
