"""The sections of a study file as strict, frozen types; `models.StudySpec` is the whole. No rules between sections."""
