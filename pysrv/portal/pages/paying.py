"""Paying: an amount, the way to the gateway's own page, and what became of it. No card ever touches this appliance.

The gateway's page is a link that the customer follows, not a redirect of the form: the policy of our pages (form-action
'self') lets no form lead elsewhere, and he sees where he is going.
"""

from urllib.parse import quote, urlsplit

from aiohttp import web

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing import money
from pysrv.payments.offer import PaymentRefused
from pysrv.portal.pages.rows import shows, takes
from pysrv.web.acting import backing, do, form, page
from pysrv.web.identity import identity
from pysrv.web.problems import status_of

BACK = "/portal/paid"


async def paying(request: web.Request) -> web.Response:
    """/portal/pay"""
    return _form(request, None, "")


async def begin(request: web.Request) -> web.Response:
    """An order at the gateway."""
    text = (await form(request)).get("amount", "")
    back = f"{_base(request)}{BACK}"
    try:
        begun = await backing(request).cashier.begin(identity(request).name, money.parse(text), back)
    except (PaymentRefused, money.MoneyError) as refusal:
        return _form(request, WireError("invalid", str(refusal), getattr(refusal, "hint", "")), text)
    return page(request, "portal/pay_there.html", url=begun.url, host=urlsplit(begun.url).hostname, amount=text)


async def paid(request: web.Request) -> web.Response:
    """/portal/paid?reference=...: back from the gateway, whose word counts and not the browser's."""
    payment = await backing(request).cashier.returned(request.query.get("reference", "")[:100])
    if payment is None or payment.account != identity(request).name:
        raise WireError("not_found", "there is no such payment", "your payments are in the list")
    return page(request, "portal/paid.html", payment=payment, amount=money.format(payment.amount))


def _form(request: web.Request, error: WireError | None, amount: str) -> web.Response:
    shown, settings = do(request, "mine.movements"), backing(request).settings()
    status = status_of(error.code) if error else 200
    return page(
        request, "portal/pay.html", status=status, error=error, amount=amount, open=_has_gateway(settings),
        currency=settings.paymentcurrency or shown["currency"],
    )  # fmt: skip


def _has_gateway(settings: Settings) -> bool:
    return settings.paymentgateway != "off"


def _base(request: web.Request) -> str:
    """Where a customer comes back to: cfg_baseurl, else the name that he came by, which the port has judged."""
    base = str(backing(request).settings().cfg_baseurl).rstrip("/")
    return base or f"https://{quote(request.host, safe=':[]')}"


ROUTES = (
    shows("/portal/pay", paying, menu="Pay", group="Money", offered=_has_gateway),
    takes("/portal/pay", begin),
    shows(BACK, paid),
)
