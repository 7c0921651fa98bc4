"""From a study file to a finished results folder: reads the study, plans it, searches, confirms, trains, records."""
