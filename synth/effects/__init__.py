"""Augmentation: each attempt draws its parameters first and applies them afterwards.

In: parent pixels and attempt numbers. Out: changed pixels and their parameters. Start with `policy`.
"""
