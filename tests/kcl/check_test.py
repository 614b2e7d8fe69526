"""What `check` finds, and what it lets pass."""

import unittest

from application import Interruption
from check import check
from wait import Failed

PARENTS = {"parent": set(), "child": {"parent"}}
ACKNOWLEDGED = {
    "record 1": ("a", "parent", "10"), "record 2": ("a", "parent", "20"), "record 3": ("a", "child", "30")}


def record(number, shard="parent"):
    return {
        "event": "record", "shard": shard, "key": "a", "sequence_number": str(10 * number), "data": f"record {number}"}


def checkpoint(number):
    return {"event": "checkpoint", "shard": "parent", "sequence_number": str(10 * number)}


ENDED = {"event": "ended", "shard": "parent"}
WHOLE = [record(1), checkpoint(1), record(2), ENDED, record(3, "child")]


class Check(unittest.TestCase):
    def judge(self, events, interruptions=(), acknowledged=None, unanswered=()):
        return check(events, list(interruptions), acknowledged or ACKNOWLEDGED, set(unanswered), PARENTS)

    def refuses(self, reason, *given, **named):
        with self.assertRaisesRegex(Failed, reason):
            self.judge(*given, **named)

    def test_all_in_order_passes(self):
        self.assertEqual(self.judge(WHOLE), [])

    def test_a_lost_record_is_found(self):
        self.refuses("1 of 3 .* lost", WHOLE[:-1])

    def test_a_record_that_comes_twice_is_found(self):
        self.refuses("came twice", [record(1), *WHOLE])

    def test_what_was_not_checkpointed_may_come_again_after_a_restart(self):
        events = [*WHOLE[:3], record(2), *WHOLE[3:]]
        self.assertEqual(self.judge(events, [Interruption("kill", 3, 3)]), [1])

    def test_what_was_checkpointed_may_not(self):
        self.refuses("came twice", [*WHOLE[:3], record(1), *WHOLE[2:]], [Interruption("kill", 3, 3)])

    def test_a_restart_explains_no_record_that_first_came_after_it(self):
        self.refuses("came twice", [*WHOLE[:3], record(2), *WHOLE[3:]], [Interruption("kill", 2, 2)])

    def test_a_record_that_overtakes_one_of_its_key_is_found(self):
        self.refuses("record 1 of a came after record 2", [record(2), record(1), *WHOLE[3:]])

    def test_a_child_before_the_end_of_its_parent_is_found(self):
        self.refuses("before its parents", [*WHOLE[:3], record(3, "child"), ENDED])

    def test_a_record_of_another_number_or_that_was_never_put_is_found(self):
        other = {**ACKNOWLEDGED, "record 2": ("a", "parent", "21")}
        self.refuses("acknowledged as", WHOLE, acknowledged=other)
        self.refuses("never put", [*WHOLE, record(4, "child")])

    def test_a_record_without_an_answer_may_come_or_not(self):
        self.assertEqual(self.judge([*WHOLE, record(4, "child")], unanswered=["record 4", "record 5"]), [])


if __name__ == "__main__":
    unittest.main()
