"""Rare-class images that provably help."""
