"""The administrators' pages. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.panel.pages import accounts, cdrs, dashboard, rates, settings, trunks

ROUTES = (*dashboard.ROUTES, *accounts.ROUTES, *cdrs.ROUTES, *trunks.ROUTES, *rates.ROUTES, *settings.ROUTES)
