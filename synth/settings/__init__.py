"""Every setting of a run, as frozen pydantic models.

In: defaults, a TOML file, options and `--set` assignments. Out: one `Recipe`. Start with `recipe`.
"""
