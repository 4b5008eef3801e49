"""What proc(5) says of the machine's own addresses and gateways."""

from pathlib import Path

from pysrv.net.host import protected_of_host
from pysrv.service.surroundings import THIS_MACHINE

FIB = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.0.2.7
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
"""
ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
IF_INET6 = "20010db8000000000000000000000007 02 40 00 80     eth0\n"
ROUTE6 = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 "
    "00000400 00000001 00000000 00000003     eth0\n"
    "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 "
    "00000100 00000001 00000000 00000001     eth0\n"
)


def test_own_addresses_and_default_gateways_are_protected(tmp_path: Path) -> None:
    for name, text in (("fib_trie", FIB), ("route", ROUTE), ("if_inet6", IF_INET6), ("ipv6_route", ROUTE6)):
        (tmp_path / name).write_text(text)
    assert protected_of_host(tmp_path) == {
        "192.0.2.7": "an address of this machine",
        "2001:db8::7": "an address of this machine",
        "192.0.2.1": "the default gateway",
        "2001:db8::1": "the default gateway",
    }


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert protected_of_host(tmp_path) == {}


def test_the_machine_itself_has_its_loopback_address() -> None:
    assert "127.0.0.1" in protected_of_host()


def test_an_own_address_is_called_as_the_service_knows_it(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(FIB)
    assert protected_of_host(tmp_path)["192.0.2.7"] == THIS_MACHINE
