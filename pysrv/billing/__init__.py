"""Money of calls: amounts, rates, leases and the ledger, all pure and all in whole micro-units."""
