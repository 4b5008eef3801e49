"""The administrators' pages. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.panel.pages import (
    accounts,
    cdrs,
    checklist,
    dashboard,
    payments,
    people,
    rates,
    settings,
    setup,
    sheets,
    trail,
    trunks,
    you,
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
    *people.ROUTES,
    *trail.ROUTES,
    *you.ROUTES,
)
