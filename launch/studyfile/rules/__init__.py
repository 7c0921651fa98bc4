"""The rules of single parts of a study file, by part. `checks` runs them, each where the sections it reads are good."""
