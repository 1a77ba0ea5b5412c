"""Measures of images, sets of images and predictions.

In: features, probabilities, pixels. Out: scores, distances, intervals. Start with `scores` and `sets`.
"""
