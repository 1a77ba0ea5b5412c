"""The look of one attempt: an augmentation draws its parameters first and applies them afterwards.

In: parent pixels and attempt numbers. Out: changed pixels and their parameters. Start with `policy`.
"""
