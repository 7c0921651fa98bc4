"""Packs: a study in one small file, from which every table and figure is made again.

`contents` says what is in a pack, `arrays` how what figures need of networks is stored, `archive` is the file, `opened`
reads one, with suspicion, `make` writes one. What tables and figures are made of it is no business of this room.
"""
