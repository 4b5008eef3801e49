"""Those whom an attack must not hurt: what they count is whole, also on a machine that lets them wait."""

import os
import signal
import threading

import pytest

from appliance.kernel.gate import Gate
from appliance.kernel.range import Range, entered
from appliance.selftest.customers import CALLS, Customers
from appliance.selftest.run import PARTIES, plan

pytestmark = pytest.mark.load

STALLS = 3
STALL_S = 0.4


def test_a_count_of_customers_who_were_held_up_has_nothing_on_its_way() -> None:
    with Range(PARTIES, tag="customers") as ground:
        with entered(ground.middle):
            gate = Gate.load()
        try:
            with entered(ground.middle):
                for party in ground.parties.values():
                    gate.attach(party.middle_interface, "auto")
                gate.sync(plan(ground))
            with Customers(ground, os.sched_getaffinity(0)) as customers:
                before = customers.kept()  # returns when every call has been heard again
                for _ in range(STALLS):
                    os.kill(customers.process_id, signal.SIGSTOP)
                    going_on = threading.Timer(STALL_S, os.kill, (customers.process_id, signal.SIGCONT))
                    going_on.start()
                    after = customers.kept()
                    going_on.join()
                    talked = after.since(before)
                    assert talked.media_sent == talked.media_arrived >= 2 * CALLS
                    assert talked.requests_sent == talked.requests_arrived
                    before = after
        finally:
            gate.close()
