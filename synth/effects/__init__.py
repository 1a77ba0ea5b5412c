"""One attempt's look: parameters are drawn for a chunk of attempts, then applied image by image."""
