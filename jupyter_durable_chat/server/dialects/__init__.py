"""Other languages in which the outside reaches sessions, and what else the log can keep."""
