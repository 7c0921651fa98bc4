"""What a study may say of its search: samplers and pruners by name, and points to begin with.

`samplers` and `pruners` are the types, `named` reads their short form, `known` and `learned` hold points and trials
to begin with.
"""
