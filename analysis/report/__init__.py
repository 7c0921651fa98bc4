"""The page, its templates and sentences, LaTeX, the manifest, and the comparison of two studies."""
