"""The administrators' pages. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.panel.pages import accounts, dashboard, payments

ROUTES = (*dashboard.ROUTES, *accounts.ROUTES, *payments.ROUTES)
