"""The administrators' pages. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.panel.pages import (
    accounts,
    analyze,
    bans,
    blacklists,
    calls,
    dashboard,
    firewall,
    payments,
    rules,
    told,
    why,
)

ROUTES = (
    *dashboard.ROUTES,
    *calls.ROUTES,
    *why.ROUTES,
    *analyze.ROUTES,
    *accounts.ROUTES,
    *payments.ROUTES,
    *bans.ROUTES,
    *firewall.ROUTES,
    *rules.ROUTES,
    *blacklists.ROUTES,
    *told.ROUTES,
)
