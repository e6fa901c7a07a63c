"""Sums outcomes up, as a table and as one JSON value. Touches no file."""

import re
from collections import defaultdict

# Numbers and paths in a cause are of one instance; a class has many.
OF_ONE_INSTANCE = re.compile(r"/\S+|\d+")


def summary(outcomes, unbuilt):
    """All results by suite, in an order that depends on names and figures only."""
    suites = {}
    for suite in sorted(unbuilt):
        of_it = [outcome for outcome in outcomes if outcome.suite == suite]
        if unbuilt[suite] is None and not of_it:
            continue
        suites[suite] = of_suite(of_it, unbuilt[suite] or 0)
    return {"schema_version": 1, "kind": "suites", "suites": suites}


def of_suite(outcomes, unbuilt):
    """The results of one suite."""
    ran = [outcome for outcome in outcomes if not outcome.native]
    hangs = [o for o in ran if o.replay == "hang"]
    refused = [o for o in ran if o.replay.startswith("refused") or o.replay == "no trace"]
    return {
        "not_built": unbuilt,
        "left_out": {o.name: o.native for o in outcomes if o.native},
        "ran": len(ran),
        "differ_recorded": {o.name: o.differs for o in ran if o.differs},
        "replayed": len(ran) - len(refused) - len(hangs),
        "not_replayed": {o.name: o.replay for o in refused},
        "hangs": sorted(o.name for o in hangs),
        "diverging": {o.name: o.divergences for o in ran if o.divergences},
        "mounting": sorted(o.name for o in ran if o.mounts and o.divergences),
        "events": sum(o.events for o in ran),
        "divergences": sum(o.divergences for o in ran),
        "classes": classes(ran),
    }


def classes(ran):
    """Divergences by call and cause, the most frequent first."""
    counts, names = defaultdict(int), defaultdict(set)
    for outcome in ran:
        for call, cause, count in outcome.classes:
            key = call, OF_ONE_INSTANCE.sub("#", cause)
            counts[key] += count
            names[key].add(outcome.name)
    ordered = sorted(counts, key=lambda key: (-counts[key], key))
    return [
        {"call": key[0], "cause": key[1], "count": counts[key], "programs": sorted(names[key])}
        for key in ordered
    ]


HEAD = ("suite", "ran", "left out", "not built", "differ recorded", "replayed", "diverge", "hang",
        "events", "divergences")


def text(result):
    """The tables, in Markdown."""
    rows = []
    for name, suite in result["suites"].items():
        rows.append((name, suite["ran"], len(suite["left_out"]), suite["not_built"],
                     len(suite["differ_recorded"]), suite["replayed"], len(suite["diverging"]),
                     len(suite["hangs"]), suite["events"], suite["divergences"]))
    parts = [grid(HEAD, rows)]
    for name, suite in result["suites"].items():
        for title, found in (("differ under record", suite["differ_recorded"]),
                             ("are not replayed", suite["not_replayed"])):
            if found:
                parts.append(f"{name}: {title}:\n" + "\n".join(
                    f"- {program}: {why}" for program, why in sorted(found.items())))
        if suite["hangs"]:
            parts.append(f"{name}: replays hang: {', '.join(suite['hangs'])}")
        if suite["classes"]:
            parts.append(f"{name}: divergences\n\n" + grid(
                ("count", "call", "cause", "programs"),
                [(c["count"], c["call"], c["cause"], few(c["programs"]))
                 for c in suite["classes"]]))
    return "\n\n".join(parts)


def few(names):
    """The first of many names."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def grid(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
