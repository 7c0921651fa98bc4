"""Code from outside the project that a study names under `code`: found, hashed, copied, tried out, imported.

`modules` what there is and its hashes, `probe` the process that tries it out, `check` what the driver makes of that.
What the names in it stand for is `glifr.outside`'s; nothing here runs where a study is only looked at.
"""
