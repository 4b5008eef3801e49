"""The verbs of an account's owner: a second table, whose account is the session's and never the request's.

An owner has none of the operators' verbs and no operator has these, so no role and no scope decides about them. Their
arguments have no field for an account; the resellers' ones name a customer, and `customers.below` alone finds it.
"""

from pysrv.control.mine.table import MINE as MINE
from pysrv.control.mine.table import Mine as Mine
