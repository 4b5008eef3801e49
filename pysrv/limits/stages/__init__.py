"""The stages of policy for a call: pure functions from facts to a decision, or None to go on; one module each.

`table.STAGES` is what the pipeline runs, in the order of checks.
"""
