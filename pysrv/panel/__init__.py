"""The administrators' pages. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.panel.pages import (
    accounts,
    cdrs,
    checklist,
    dashboard,
    payments,
    rates,
    settings,
    setup,
    sheets,
    trunks,
)

ROUTES = (
    *dashboard.ROUTES,
    *accounts.ROUTES,
    *sheets.ROUTES,
    *payments.ROUTES,
    *cdrs.ROUTES,
    *trunks.ROUTES,
    *rates.ROUTES,
    *checklist.ROUTES,
    *settings.ROUTES,
    *setup.ROUTES,
)
