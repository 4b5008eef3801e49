"""The configuration as one document: what is written is read again, bad ones are refused by place, all or nothing."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config import document
from appliance.config.document import BadDocument
from appliance.wire import WireError
from pysrv.billing.deck_text import header
from pysrv.control.configuration import writing
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import Powers, Role
from pysrv.store import BanRow, Store
from tests.control.office import NOW, Operator, Service

TRUNK_PASSWORD = "carrier-words"
SMTP_PASSWORD = "letters-42"
DAY_S = 86_400.0
COUNTED = BanRow("198.51.100.7", "maxrequests", "counted")


class House:
    """One machine: its store, what its service was told, and root at it."""

    def __init__(self, path: Path, live: bool = True) -> None:
        self.store = Store.open(path, lambda: NOW)
        self.service = Service()
        self.control = Control(self.store, self.service if live else None, clock=lambda: NOW)
        self.root = Operator(self.control.session("root"))

    def export(self, *, secrets: bool = False) -> str:
        text, after = "", []
        while after is not None:
            piece = self.root.ask("config.export", secrets=secrets, after=after)
            text, after = text + piece["text"], piece["next"]
        return text

    def begin(self, given: str | dict[str, Any]) -> None:
        read = document.read(given.encode()) if isinstance(given, str) else given
        for verb, args in document.requests(read):
            self.root.ask(verb, **args)

    def plan(self, given: str | dict[str, Any]) -> dict[str, Any]:
        self.begin(given)
        return self.root.ask("config.plan")

    def take(self, given: str | dict[str, Any], digest: str = "") -> dict[str, Any]:
        self.begin(given)
        return self.root.ask("config.apply", digest=digest)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    opened: list[House] = []

    def make(**more: Any) -> House:
        opened.append(House(tmp_path / f"{len(opened)}.db", **more))
        return opened[-1]

    yield make
    for each in opened:
        each.store.close()


def deck(root: Operator, name: str, rates: int = 3, **more: str) -> None:
    root.ask("rates.begin", deck=name, **more)
    rows = "".join(f'49{n:05d},0.12,0.05,60,60,0,"Germany, {n}",0,nearest 4,,2026-01-01,\n' for n in range(rates))
    root.ask("rates.rows", first_line=1, text=header() + rows)
    root.ask("rates.commit")


def furnish(root: Operator) -> None:
    """Something of everything that an operator can say."""
    changes = {
        "calltimeout": "1234", "mailpassword": SMTP_PASSWORD, "mailserver": "mail.example.net",
        "timezone": "Europe/Berlin", "basecurrency": "EUR",
    }  # fmt: skip
    root.ask("settings.set", changes=changes)
    root.ask("taxes.set", name="vat", percent="19%", note="Mehrwertsteuer")
    root.ask("currencies.set", code="USD", rate="0.92")
    root.ask("currencies.set", code="USD", rate="23/25", valid_from="2030-01-01")
    deck(root, "retail", tax="vat")
    deck(root, "retail", 5, currency="USD", effective="2030-01-01")
    deck(root, "cost", writing.AT_ONCE + 7)
    root.ask("trunks.add", name="carrier", host="192.0.2.7", port=5070, user="us", password=TRUNK_PASSWORD, deck="cost",
             inbound=["192.0.2.0/29", "2001:db8::7"])  # fmt: skip
    root.ask("trunks.add", name="spare", host="sip.example.net", enabled=False)
    for priority in (2, 1):
        root.ask(
            "trunks.route", name="carrier", route={"prefix": f"4{priority}", "priority": priority, "prepend": "00"}
        )
    root.ask("firewall.add", rules=[
        {"action": "deny", "prefix": "198.51.100.0/24", "protocol": "udp", "port": 5060, "note": "noise"},
        {"action": "allow", "prefix": "2001:db8::/32"},
    ])  # fmt: skip
    root.ask("rules.report_only", verdicts=["scanner"], on=True)
    root.ask("allows.add", prefix="203.0.113.9", kind="known", reason="office", expires_at=NOW + DAY_S + 0.123456789)
    root.ask("bans.add", prefix="203.0.113.0/28", rule="operator", reason="by hand")
    entries = [{"digits": f"88{n}", "reason": 'Größe, "satellites"'} for n in range(writing.AT_ONCE + 3)]
    root.ask("blacklist.put", entries=entries[:2000])
    root.ask(
        "blacklist.put", entries=[*entries[2000:], {"digits": "252", "side": "caller", "whole": True, "confidence": 3}]
    )


def test_an_export_reads_as_people_expect_it(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    furnished.store.add_ban(COUNTED)
    text = furnished.export()
    read = document.read(text.encode())
    assert text.startswith('{\n  "note": "Without secrets')
    assert read["settings"] == {"calltimeout": "20m34s", "mailserver": "mail.example.net", "timezone": "Europe/Berlin"}
    assert [each["name"] for each in read["trunks"]] == ["carrier", "spare"]
    assert "password" not in read["trunks"][0]
    assert TRUNK_PASSWORD not in text and SMTP_PASSWORD not in text
    assert [each["prefix"] for each in read["bans"]] == ["203.0.113.0/28"]  # what was counted is not said by anybody
    assert [(each["deck"], each["effective_at"], len(each["rates"])) for each in read["decks"]] == [
        ("cost", "", writing.AT_ONCE + 8), ("retail", "", 4), ("retail", "2029-12-31T23:00:00+00:00", 6),
    ]  # fmt: skip
    assert len(read["blacklist"]) == writing.AT_ONCE + 5
    assert furnished.store.audit(1)[0].action == "config.export"


@pytest.mark.parametrize("secrets", [False, True])
@pytest.mark.parametrize("live", [True, False])
def test_what_was_written_makes_a_fresh_machine_the_same(
    house: Callable[..., House], *, secrets: bool, live: bool
) -> None:
    furnished, fresh = house(), house(live=live)
    furnish(furnished.root)
    text = furnished.export(secrets=secrets)
    planned = fresh.plan(text)
    assert fresh.export(secrets=secrets) != text
    applied = fresh.take(text, planned["digest"])
    assert fresh.export(secrets=secrets) == text
    assert applied["changes"] == planned["changes"]
    trunk = fresh.store.trunk("carrier")
    assert trunk is not None and trunk.password == (TRUNK_PASSWORD if secrets else "")
    assert any("carrier has no password" in each for each in applied["warnings"]) is not secrets
    assert fresh.store.audit(2)[1].action == "config.import"
    prices = [each.store.priced("retail", "4900001", NOW) for each in (furnished, fresh)]
    assert prices[0] is not None and prices[1] is not None and prices[0].rate == prices[1].rate


@pytest.mark.parametrize("secrets", [False, True])
def test_a_machines_own_export_changes_nothing(house: Callable[..., House], *, secrets: bool) -> None:
    furnished = house()
    furnish(furnished.root)
    text, before = furnished.export(secrets=secrets), furnished.store.audit(1)[0].id
    furnished.service.told.clear()
    assert furnished.plan(text)["changes"] == []
    assert furnished.take(text)["changes"] == []
    assert furnished.store.audit(1)[0].id == before
    assert furnished.service.told == []
    assert furnished.export(secrets=True).count(SMTP_PASSWORD) == 1


def test_secrets_that_a_document_does_not_hold_stay(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    read = document.read(furnished.export().encode())
    read["trunks"][0]["port"] = 5080
    told = furnished.take(read)["changes"]
    assert told == [
        {"section": "trunks", "what": "changed", "name": "carrier", "before": "port=5070", "after": "port=5080"}
    ]
    trunk = furnished.store.trunk("carrier")
    assert trunk is not None and (trunk.port, trunk.password) == (5080, TRUNK_PASSWORD)
    assert furnished.store.overrides()["mailpassword"] == SMTP_PASSWORD
    assert ("trunks",) in furnished.service.told


def test_what_is_no_more_goes_and_a_section_that_is_not_there_stays(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    furnished.store.add_ban(COUNTED)
    whole = document.read(furnished.export().encode())
    head = {name: whole[name] for name in ("format", "format_version")}
    told = furnished.take(head | {"trunks": [], "bans": [], "blacklist": [], "firewall": [], "report_only": []})
    assert {name: counts["removed"] for name, counts in told["counts"].items()} == {
        "trunks": 2, "firewall": 2, "report_only": 1, "bans": 1, "blacklist": writing.AT_ONCE + 4,
    }  # fmt: skip
    assert len([each for each in told["changes"] if each["section"] == "blacklist"]) == 1000
    told = furnished.take(head | {"decks": [], "currencies": [], "taxes": [], "settings": {}, "allowed": []})
    assert furnished.store.decks() == [] and furnished.store.currencies() == [] and furnished.store.taxes() == []
    assert furnished.store.overrides() == {"basecurrency": "EUR", "mailpassword": SMTP_PASSWORD}
    assert {row.rule for row in furnished.store.bans()} == {"maxrequests"}


def test_networks_move_from_one_trunk_to_another(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    read = document.read(furnished.export().encode())
    read["trunks"][0]["inbound"], read["trunks"][1]["inbound"] = ["192.0.2.0/29"], ["2001:db8::7"]
    furnished.take(read)
    assert [trunk.inbound for trunk in furnished.store.trunks()] == [("192.0.2.0/29",), ("2001:db8::7",)]


def test_rates_are_compared_line_by_line(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    read = document.read(furnished.export().encode())
    rates = read["decks"][1]["rates"]
    rates[1:] = [rates[1].replace("0.12", "0.13"), rates[2], rates[3].replace("4900002", "4900009")]
    (change,) = furnished.plan(read)["changes"]
    assert change["after"] == "3 rates, EUR, tax vat (1 added, 1 changed, 1 removed)"
    read["decks"][1]["rates"] = rates[:3]
    furnished.take(read)
    assert [deck.rates for deck in furnished.store.decks() if deck.name == "retail"] == [2, 5]


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "version": (lambda d: d.update(format_version=2), "format_version: 2 cannot be read"),
    "section": (lambda d: d.update(trunk=[]), "trunk: there is no such section"),
    "no list": (lambda d: d.update(trunks={}), "trunks: must be a list"),
    "setting": (lambda d: d["settings"].update(calltimeuot="1"), "settings.calltimeuot: "),
    "value": (lambda d: d["settings"].update(calltimeout="-5"), "settings.calltimeout: calltimeout "),
    "number": (lambda d: d["settings"].update(calltimeout=5), "settings.calltimeout: must be text, in quotes, not 5"),
    "missing": (lambda d: d["trunks"][1].pop("host"), "trunks[1].host: is missing"),
    "field": (lambda d: d["trunks"][1].update(prot=1), "trunks[1] has no field 'prot'"),
    "type": (lambda d: d["trunks"][0].update(port="5060"), "trunks[0].port must be a whole number"),
    "port": (lambda d: d["trunks"][0].update(port=99999), "trunks[0]: carrier: port is 1 to 65535"),
    "network": (lambda d: d["trunks"][0].update(inbound=["192.0.2.300"]), "trunks[0]: '192.0.2.300'"),
    "twice": (lambda d: d["taxes"].append(d["taxes"][0]), "taxes[1]: vat stands there twice, also at taxes[0]"),
    "no deck": (lambda d: d["trunks"][1].update(deck="other"), "trunks[1]: there is no rate deck 'other'"),
    "no tax": (lambda d: d.update(taxes=[]), "taxes, without vat: deck retail is taxed by vat"),
    "no worth": (lambda d: d.update(currencies=[]), "currencies, without USD: deck retail is priced in it"),
    "new tax": (lambda d: d["decks"][1].update(tax="gst"), "decks[1]: there is no tax 'gst'"),
    "new worth": (lambda d: d["decks"][1].update(currency="CHF"), "decks[1]: there is no exchange rate of CHF to EUR"),
    "base": (lambda d: d["currencies"].append({"code": "EUR", "rate": "1"}), "currencies[2]: EUR is the base currency"),
    "rate": (lambda d: d["decks"][1]["rates"].append("491,x"), "decks[1].rates: line 5"),
    "no rates": (lambda d: d["decks"][1].update(rates=d["decks"][1]["rates"][:1]), "decks[1]: retail has no rates"),
    "rates": (lambda d: d["decks"][1].update(rates=[1]), "decks[1] has no field 'rates'"),
    "lines": (lambda d: d["decks"][1]["rates"].append("1,1\n2,2"), "decks[1].rates: an entry is one line"),
    "entry": (lambda d: d["blacklist"].append("88x,prefix,caller,,,"), "blacklist, line 2006: '88x' is no number"),
    "columns": (lambda d: d["blacklist"].pop(0), "blacklist, line 1: the first line must be number,match"),
    "rule": (lambda d: d["firewall"][0].update(action="drop"), "firewall[0]: drop udp 5060 is no rule"),
    "everybody": (lambda d: d["allowed"].append({"prefix": "0.0.0.0/0"}), "allowed[1]: 0.0.0.0/0 would let everyone"),
    "verdict": (lambda d: d["report_only"].append({"verdict": "No"}), "report_only[1]: 'No' is no verdict"),
    "date": (lambda d: d["bans"][0].update(expires_at="soon"), "bans[0]: 'soon' is no date"),
    "cut": (lambda d: d["firewall"].append({"action": "deny", "prefix": "10.9.8.7"}), "firewall[2]: denying 10.9.8.7"),
    "ban": (lambda d: d["bans"].append({"prefix": "10.9.8.0/24"}), "bans[1]: banning 10.9.8.0/24 would cut off"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_refused_by_place_and_changes_nothing(house: Callable[..., House], name: str) -> None:
    spoil, words = BAD[name]
    furnished = house()
    furnished.service.guarded = {"10.9.8.7": "you are there"}
    furnish(furnished.root)
    text = furnished.export(secrets=True)
    read = document.read(text.encode())
    read["settings"]["calltimeout"] = "77"  # something good that must not happen
    spoil(read)
    furnished.service.told.clear()
    for ask in (furnished.plan, furnished.take):
        with pytest.raises(WireError) as refused:
            ask(read)
        assert words in refused.value.message
        assert furnished.service.told == []
    assert furnished.export(secrets=True) == text


def test_every_problem_of_the_head_is_told_at_once(house: Callable[..., House]) -> None:
    bad = {"format": document.FORMAT, "format_version": 1, "taxes": [{"name": "a", "percent": "x"}, 5], "bans": [{}]}
    with pytest.raises(WireError) as refused:
        house().plan(bad)
    assert refused.value.code == "bad_configuration"
    places = ("taxes[0]: 'x' is no tax", "taxes[1] must be an object", "bans[0].prefix: is missing")
    assert all(place in refused.value.message for place in places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"format": 1,\n "a": }', "line 2, column 7: expecting value"),
        (b"[]", "no configuration of the appliance"),
        (b'{"format": "x"}', "no configuration of the appliance"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\n\xff", "line 2: not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_text_that_is_no_document_is_refused_with_its_line(text: bytes, words: str) -> None:
    with pytest.raises(BadDocument, match=words.replace("(", "\\(")):
        document.read(text)


def test_only_what_was_shown_is_done(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    read = document.read(furnished.export().encode())
    read["settings"]["calltimeout"] = "77"
    digest = furnished.plan(read)["digest"]
    furnished.root.ask("taxes.set", name="late", percent="7%")
    with pytest.raises(WireError) as refused:
        furnished.take(read, digest)
    assert refused.value.code == "conflict"
    assert furnished.store.overrides()["calltimeout"] == "20m34s"


def test_accounts_keep_their_deck_and_their_currency(house: Callable[..., House]) -> None:
    furnished = house()
    furnish(furnished.root)
    furnished.root.ask("accounts.add", name="alice", password="long-s3cret-words", deck="retail")
    read = document.read(furnished.export().encode())
    read["decks"] = [each for each in read["decks"] if each["deck"] != "retail"]
    with pytest.raises(WireError, match="it prices the calls of alice"):
        furnished.plan(read)


def test_an_import_waits_for_nobody_and_asks_in_its_order(house: Callable[..., House]) -> None:
    furnished = house()
    with pytest.raises(WireError, match="no configuration is being imported"):
        furnished.root.ask("config.apply")
    furnished.root.ask("settings.set", changes={"calltimeout": "99"}, confirm_s=60.0)
    with pytest.raises(WireError, match="a change waits"):
        furnished.plan({"format": document.FORMAT, "format_version": 1, "settings": {}})


@pytest.mark.parametrize("role", Role)
def test_only_who_may_change_settings_exports_and_imports_and_nobody_gets_secrets(
    house: Callable[..., House], role: Role
) -> None:
    furnished = house()
    furnish(furnished.root)
    session = Operator(furnished.control.session("eve", Licence(Powers.of(role), proven=True, person="eve")))
    allowed = role in (Role.OWNER, Role.ADMIN)
    for verb, args in (
        ("config.export", {}),
        ("config.begin", {"document": document.read(furnished.export().encode())}),
    ):
        if allowed and verb == "config.export":
            assert TRUNK_PASSWORD not in session.ask(verb, **args)["text"]
        elif not allowed:
            with pytest.raises(WireError) as refused:
                session.ask(verb, **args)
            assert refused.value.code == "forbidden"
    with pytest.raises(WireError) as refused:
        session.ask("config.export", secrets=True)
    assert refused.value.code == "forbidden"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from _places(each, (*path, name))


def test_whatever_stands_at_a_place_is_taken_or_refused_and_is_no_fault(house: Callable[..., House]) -> None:
    furnished, fresh = house(), house(live=False)
    furnish(furnished.root)
    whole = document.read(furnished.export().encode())
    whole["decks"], whole["blacklist"] = [{**deck, "rates": deck["rates"][:3]} for deck in whole["decks"]], []
    whole["firewall"].append(
        {"action": "allow", "prefix": "", "country": "DE", "protocol": "any", "port": 0, "note": ""}
    )
    for path in list(_places(whole)):
        for odd in (None, -1, 2**70, "", "\x00", "\ud83d", [{}], {"": None}):
            spoilt = json.loads(json.dumps(whole))
            at = spoilt
            for name in path[:-1]:
                at = at[name]
            if path:
                at[path[-1]] = odd
            try:
                with contextlib.suppress(BadDocument):
                    document.read(json.dumps(spoilt).encode())
                fresh.plan(spoilt)
            except WireError as error:
                assert error.code != "internal", (path, odd, error.message)


def allowing(*prefixes: str, **settings: str) -> dict[str, Any]:
    """A document of an allow list, and of settings where some are named."""
    some = {"settings": settings} if settings else {}
    held = [{"prefix": each} for each in prefixes]
    return {"format": document.FORMAT, "format_version": document.FORMAT_VERSION, "allowed": held} | some


@pytest.mark.parametrize("live", [True, False])
def test_a_plan_warns_of_panel_and_ssh_by_the_list_and_settings_that_are_to_come(
    house: Callable[..., House], live: bool
) -> None:
    def both(given: dict[str, Any]) -> tuple[list[str], list[str]]:
        planned = one.plan(given)
        applied = one.take(given, planned["digest"])
        assert [planned[key] for key in shared] == [applied[key] for key in shared]
        assert planned["administered_from"] == one.root.ask("allows.list")["administered_from"]
        return planned["warnings"], planned["administered_from"]

    one, shared = house(live=live), ("warnings", "administered_from")
    near = "the panel, and on the image SSH, no longer answers private networks that are not on the allow list: "
    assert both(allowing("198.51.100.7")) == (
        [near + "'appliance allow 10.0.0.0/8' opens both to one"], ["198.51.100.7/32"],
    )  # fmt: skip
    assert both(allowing("198.51.100.7")) == ([], ["198.51.100.7/32"])  # nothing differs
    assert both(allowing("198.51.100.7", calltimeout="77")) == ([], ["198.51.100.7/32"])  # nothing that decides does
    shut, *more = both(allowing("198.51.100.7", "10.0.0.0/8", allowtrustedip="2"))[0]
    assert "stays shut to 198.51.100.7: allowtrustedip is 2" in shut and more == []
    shut, lost = both(allowing("198.51.100.7", "10.0.0.0/8", allowtrustedip="1"))[0]
    assert "stays shut to what is on the allow list" in shut and lost.startswith(near)
    assert both(allowing("198.51.100.7", "10.0.0.0/8", allowtrustedip="3"))[0] == []
    [lost] = both(allowing("198.51.100.7", allowtrustedip="3"))[0]
    assert lost == near + "'appliance allow 10.0.0.0/8' opens both to one"
    assert both(allowing("198.51.100.7", remoteadmin="2"))[1] == ["0.0.0.0/0", "::/0"]
    assert "no longer answers private networks" in both(allowing("198.51.100.7", remoteadmin="1"))[0][-1]


def test_a_plan_warns_where_all_who_are_trusted_end(house: Callable[..., House]) -> None:
    one, given = house(), allowing("198.51.100.7")
    given["allowed"][0]["expires_at"] = "2030-01-01T00:00:00+00:00"
    assert "nobody opens panel and SSH without an end" in one.plan(given)["warnings"][-1]
