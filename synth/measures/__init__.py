"""Numbers about sets of images and predictions: arrays in, numbers out.

In: features, probabilities, pixels. Out: scores, distances, intervals. Start with `scores` and `sets`.
"""
