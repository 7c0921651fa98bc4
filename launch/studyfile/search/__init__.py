"""What a study may say of its search: samplers and pruners by name, points to begin with, and the rules of all these.

`samplers` and `pruners` are the types, `named` reads their short form, `known` holds points and trials to begin with,
`checks` says what is wrong.
"""
