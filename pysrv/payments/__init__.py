"""Payments: customers are sent to a gateway's own pages to pay, and what the gateway says of it becomes credit.

No card number ever reaches the appliance. What decides is pure (`judge`, `units`, `compare`, the readers of events);
`cashier` is the shell between gateways and the store.
"""
