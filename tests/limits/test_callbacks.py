"""How often a callback may be asked for."""

from pysrv.limits.callbacks import OF_ACCOUNT, OF_NUMBER, Attempts


def allowed(attempts: Attempts, account: str, first: str, at: float) -> bool:
    return attempts.attempt(account, first, at) == 0.0


def test_an_account_may_ask_a_few_times_a_minute_and_an_hour_and_waiting_helps() -> None:
    attempts = Attempts()
    assert [allowed(attempts, "alice", "", 0.0) for _ in range(4)] == [True, True, True, False]
    assert attempts.attempt("alice", "", 10.0) == 50.0
    assert allowed(attempts, "bob", "", 10.0)
    assert allowed(attempts, "alice", "", 60.0)
    asked = sum(allowed(attempts, "carol", "", at) for at in range(0, 3600, 5))
    assert asked == OF_ACCOUNT[1].most


def test_who_is_rung_by_others_has_peace_however_many_accounts_ask() -> None:
    attempts = Attempts()
    asked = [allowed(attempts, f"account{number}", "4930111", number * 60.0) for number in range(59)]
    assert sum(asked) == OF_NUMBER[1].most
    assert allowed(attempts, "another", "4930222", 3540.0)


def test_a_refused_request_is_no_attempt_at_the_account_either() -> None:
    attempts = Attempts()
    for account in ("a", "b"):
        assert allowed(attempts, account, "4930111", 0.0)
    for _ in range(5):
        assert not allowed(attempts, "alice", "4930111", 1.0)
    assert allowed(attempts, "alice", "", 1.0)
