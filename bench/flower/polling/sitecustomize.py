"""Lowers Flower's polling intervals, which have no setting: no sleep of up to five seconds takes longer than FLOWER_POLL_SECONDS."""

import os
import time

_sleep = time.sleep
_most = float(os.environ["FLOWER_POLL_SECONDS"])


def sleep(seconds):
    _sleep(min(seconds, _most) if seconds <= 5 else seconds)


time.sleep = sleep
