"""What runs in a worker process: a trial, its data, its share of a GPU, its watchdog; and trials that are timed."""
