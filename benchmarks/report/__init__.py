"""The tables of a run as a page and a picture. Times nothing."""
