"""The verbs: generate, preview, undersample, train, remake, undo.

In: a dataset and a recipe. Out: a folder and its summary. Start with `generate`.
"""
