"""The poster: report files in, one comment on a pull request out. Its own command, run where no pull-request code runs.

Nothing here is imported by the pytest plugin, and nothing here runs, or trusts, what a report says.
"""
