"""Numbers about classifiers and about sets of images: arrays in, numbers out; no files, no networks."""
