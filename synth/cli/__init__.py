"""The command line: each command parses its options, makes one library call and prints the result.

In: the command line. Out: text or JSON, and an exit status. Start with `app`.
"""
