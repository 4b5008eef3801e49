"""The security audit: the checklist of machine, access, gate, database and service as one table that can be run.

`row.py` says what a check is, `table.py` joins the areas' rows and runs them, `machine.py` is all that they read by;
`report.py` keeps what a run found, `page.py` draws the document. Nothing here knows the command line.
"""
