"""The customers of the portal's stories and pictures: alice, who calls; rex, who sells; cora, who buys from him."""

from pysrv.portal import ROUTES
from pysrv.store.account import AccountType
from tests.browser.operator import Operator
from tests.lab.product import Product

PASSWORD = "correct-horse-42"
FOR_ALL = tuple(route.path for route in ROUTES if route.menu and route.of_type is None)
FOR_RESELLERS = tuple(route.path for route in ROUTES if route.menu and route.of_type is AccountType.RESELLER)
OF_A_CUSTOMER = "/portal/customers/cora"


def populate(product: Product) -> None:
    """The accounts."""
    product.account("alice", "101", "--credit", "25", "--maxdailycredit", "10")
    product.account("bob", "102", "--credit", "1.50")
    product.account("rex", "105", "--credit", "50", "--type", "reseller")
    product.account("cora", "106", "--credit", "5", "--parent", "rex")


def enter(operator: Operator, name: str) -> None:
    """In at the portal."""
    operator.log_in(name, PASSWORD, room="portal")


def leave(operator: Operator) -> None:
    """Out again."""
    operator.page.get_by_role("button", name="Log out").click()
    operator.page.wait_for_url("**/portal/login*")
