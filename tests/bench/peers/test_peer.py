"""Peers compete in processes of their own, which import this module: it needs nothing large."""

from dataclasses import replace
from operator import eq

from tests.bench.peers.peer import Peer, compete, unlike


def test_who_fails_or_disagrees_is_absent(tmp_path):
    def peer(name, load, agrees=eq):
        return Peer(name, "json", "it is always here", load, lambda case: tmp_path, agrees)

    contest = compete(
        [
            peer("ours", _right),
            peer("wrong", _wrong),
            peer("other", _wrong, unlike),
            peer("broken", _broken),
            replace(peer("unfit", _right), unfit=lambda case: f"not for {case}"),
        ],
        3,
        _turn,
        ["what"],
        rounds=2,
    )
    assert contest.results == {"ours": {"what": [6, 6]}, "other": {"what": [7, 7]}}
    assert contest.absent == {
        "wrong": "its results are not ours",
        "broken": "ValueError: no, 3",
        "unfit": "not for 3",
    }
    assert contest.parts.keys() == contest.results.keys()


def _turn(load, case):
    value = load(case)
    return lambda what: value


def _right(case):
    return 2 * case


def _wrong(case):
    return 2 * case + 1


def _broken(case):
    raise ValueError(f"no, {case}\nand more")
