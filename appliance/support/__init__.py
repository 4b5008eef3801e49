"""The support bundle: what somebody who helps needs to see, and nothing that he must not have.

`masking.py` hides people's numbers, names and addresses, `secrecy.py` takes out what looks like a secret wherever it
stands, `machine.py` looks at the machine, `bundle.py` writes the file. None of them knows a verb: what keeper and
office say is handed in (appliance/cli/bundle.py).
"""
