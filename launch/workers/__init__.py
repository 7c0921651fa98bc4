"""Code that runs in a worker process: a trial, its data, its share of a GPU, its watchdog, and timed trials."""
