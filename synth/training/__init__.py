"""The training loop that all networks share, and the folder that a trained network is kept in.

In: a `TrainingJob` (dataset, recipe, folder) and a network with its `step`. Out: a `Fit`, then a `Bundle`. Start with
`loop`, then `job` and `bundle`.
"""
