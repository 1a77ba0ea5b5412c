"""Fitting networks: the shared loop, bundles, and one page of mathematics for each network."""
