"""Compares the table that speedscope shows with the trace events that it was given.

    compare.py count EVENTS         prints how many rows there should be
    compare.py EVENTS SHOWN         compares with what rows.mjs printed
"""

import collections
import json
import re
import sys


def microseconds(text):
    number, unit = re.match(r"([0-9.]+)(ns|µs|ms|s)", text).groups()
    return float(number) * {"ns": 1e-3, "µs": 1, "ms": 1e3, "s": 1e6}[unit]


def read(path):
    """The process's name, the time of each frame in microseconds, and how many calls."""
    events = json.load(open(path))["traceEvents"]
    name = next(event["args"]["name"] for event in events if event["ph"] == "M")
    times, calls = collections.Counter(), 0
    for event in events:
        if event["ph"] == "X":
            arguments = json.dumps(event["args"], separators=(",", ":"), ensure_ascii=False)
            times[f"{event['name']} {arguments}"] += event["dur"]
            calls += 1
    return name, times, calls


def compare(name, times, calls, page):
    assert name in page["text"], f"no {name} in {page['text']}"
    shown = {row[2].strip(): row[:2] for row in page["rows"] if "%" in row[0]}
    assert set(shown) == set(times), (
        f"{len(shown)} shown of {len(times)}: {set(shown) ^ set(times)}"
    )
    for frame, (total, own) in shown.items():
        # No call is taken for a part of another one.
        assert total == own, f"{frame}: {total} and {own}"
        # Three digits are shown.
        told = microseconds(total)
        assert abs(told - times[frame]) <= max(0.02 * told, 0.02), (frame, told, times[frame])
    assert calls > 50
    print(f"speedscope shows {calls} calls as {len(shown)} frames of {name}")


if sys.argv[1] == "count":
    print(len(read(sys.argv[2])[1]))
else:
    compare(*read(sys.argv[1]), json.load(open(sys.argv[2])))
