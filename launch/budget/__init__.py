"""A study's cost beside what it may cost: a limit's stop, what a plan says of it, and machines that are not there."""
