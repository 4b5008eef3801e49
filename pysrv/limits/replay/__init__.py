"""What other settings would have done to calls of the past: records in, decisions and differences out. Pure.

`past` is what a record tells, `standing` what each account has and uses, `course` one run of the pipeline over the
records, `difference` what two courses disagree about. Whoever reads records and accounts is not known here.
"""
