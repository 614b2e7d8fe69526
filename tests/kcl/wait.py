"""Waiting on conditions. A limit is for what never comes: no test asserts how long anything takes."""

import time

LIMIT_SECONDS = 300


class Failed(Exception):
    """What the test found wrong."""


def wait(what, condition, alive=lambda: None):
    """Returns what the condition gives once that is true; `alive` raises when it cannot become true any more."""
    end = time.monotonic() + LIMIT_SECONDS
    while not (value := condition()):
        alive()
        if time.monotonic() > end:
            raise Failed(f"waited {LIMIT_SECONDS} s in vain: {what}")
        time.sleep(0.2)
    return value
