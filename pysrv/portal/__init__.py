"""The pages of accounts' owners. Each module of `pages` has its rows; this is all of them, in the order of the menu."""

from pysrv.portal.pages import calls, customers, devices, forwards, limits, money, overview, paying, security

ROUTES = (
    *overview.ROUTES,
    *calls.ROUTES,
    *devices.ROUTES,
    *limits.ROUTES,
    *forwards.ROUTES,
    *money.ROUTES,
    *paying.ROUTES,
    *security.ROUTES,
    *customers.ROUTES,
)
