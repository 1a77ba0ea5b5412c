"""Which images of the large classes stay.

In: items of a class, and features where the method needs them. Out: the items that stay. Start with `choice`.
"""
