"""One program natively, recorded and replayed, each in a fresh directory and namespaces."""

import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field

# Ids, addresses, times and names made at random differ from run to run.
CHANGING = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?|\b[0-9a-zA-Z_]*\d[0-9a-zA-Z_]*\b")
# A longer output is not compared beyond this.
MOST_OUTPUT_BYTES = 1 << 20
HANG = "hang"


@dataclass(frozen=True)
class Stage:
    """With what, where, and for how long programs are run."""

    tool: str
    work: str
    timeout: float
    keep: bool


@dataclass
class Outcome:
    """What was seen of one program."""

    suite: str
    name: str
    native: str = ""
    recorded: str = ""
    # Why the recorded run differs from the native one, or empty.
    differs: str = ""
    replay: str = ""
    events: int = 0
    divergences: int = 0
    mounts: bool = False
    classes: list = field(default_factory=list)

    def verdict(self):
        """One line about it."""
        if self.native:
            return f"left out: natively {self.native}"
        parts = [f"record: {self.differs}"] if self.differs else []
        parts.append(f"replay: {self.replay or 'agrees'}, {self.divergences} of {self.events}")
        return ", ".join(parts)


def execute(stage, program, before, seconds, directory):
    """Runs it there; its status (or `hang`) and what it printed."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    os.chmod(directory, 0o755)
    # A namespace of processes ends all that the program leaves behind, and keeps in what it sends
    # to every process; those of mounts and of the host's name keep in what it changes.
    # Suites have programs of these names, too, first in the path that is given.
    unshare, shell = shutil.which("unshare"), shutil.which("sh")
    apart = [unshare, "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
    path = ":".join(filter(None, [program.path, os.environ.get("PATH", "")]))
    variables = {"PATH": path, "HOME": "/root", "TMPDIR": directory, "LC_ALL": "C.UTF-8"}
    # A shell is the namespace's init, not the program or the recorder: init ignores signals.
    command = [*apart, shell, "-c", '"$@"; exit $?', "sh", *before, *program.command]
    output = directory + ".output"
    with open(output, "wb") as out:
        running = subprocess.Popen(command, cwd=directory, env=variables, stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status = str(running.wait(seconds))
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            status = HANG
    with open(output, "rb") as printed:
        text = printed.read(MOST_OUTPUT_BYTES).decode("utf-8", "replace")
    # Below it are names made at random.
    return status, re.sub(re.escape(directory) + r"\S*", "DIRECTORY", text)


def alike(text):
    """The output without what differs from run to run, in no order: tasks print as they come."""
    return sorted(CHANGING.sub("#", text).splitlines())


def failure(program, status, text):
    """Why a run is no success, or empty."""
    if status == HANG:
        return "timeout"
    if status != "0":
        return f"status {status}"
    return "failed by its output" if program.failed and re.search(program.failed, text) else ""


def difference(natives, recorded):
    """How the recorded run differs from all native ones, or empty."""
    status, text = recorded
    if status not in (known for known, _ in natives):
        return HANG if status == HANG else f"status {status}"
    outputs = [alike(known) for _, known in natives]
    # An output that changes natively tells nothing.
    steady = all(output == outputs[0] for output in outputs)
    if not steady or alike(text) == outputs[0]:
        return ""
    odd = [line for line in alike(text) if line not in outputs[0]]
    return f"output: {odd[0][:80]}" if odd else "output: lines are missing"


def run(stage, program):
    """The whole trial of one program."""
    outcome = Outcome(program.suite, program.name)
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{program.suite}-{program.name}")
    directory = os.path.join(stage.work, "run", name)
    trace, result = directory + ".trace", directory + ".json"
    # Natively the namespace ends what a program leaves behind.
    before = [stage.tool, "record", "--quiet", "--force", "--linger", "1", "-o", trace, "--"]
    try:
        natives = []
        for _ in range(2):
            natives.append(execute(stage, program, [], stage.timeout, directory))
            outcome.native = failure(program, *natives[-1])
            if outcome.native:
                return outcome
        # What differs once, by chance, differs not twice in the same way.
        for _ in range(2):
            recorded = execute(stage, program, before, 4 * stage.timeout, directory)
            outcome.recorded = recorded[0]
            outcome.differs = difference(natives, recorded)
            if not outcome.differs:
                break
        replay(stage, outcome, trace, result, directory)
    finally:
        clear(stage, outcome, directory, trace, result)
    return outcome


def replay(stage, outcome, trace, result, directory):
    """Replays the trace into the outcome."""
    if not os.path.exists(trace):
        outcome.replay = "no trace"
        return
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory, exist_ok=True)
    command = ["timeout", "-k", "5", str(4 * stage.timeout), stage.tool, "play", "--quiet",
               "--target", directory, "--json", result, trace]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode in (124, 137):
        outcome.replay = HANG
        return
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = words[-1] if words else f"status {done.returncode}"
        outcome.replay = "refused: " + CHANGING.sub("#", said.replace(directory, "TARGET"))[:120]
        return
    with open(result, encoding="utf-8") as written:
        told = json.load(written)
    outcome.events, outcome.divergences = told["events"], told["divergences"]
    outcome.replay = "diverges" if outcome.divergences else ""
    for group in told["divergence_groups"]:
        outcome.classes.append((group["call"], group["cause"], group["count"]))
    outcome.mounts = any("the tool mounted itself" in note for note, _ in told["notes"])


def clear(stage, outcome, directory, trace, result):
    """Removes what the trial made, but not the trace of one that is to be looked at."""
    shutil.rmtree(directory, ignore_errors=True)
    keep = stage.keep and (outcome.replay or outcome.differs)
    for path in [directory + ".output"] + ([] if keep else [trace, result]):
        if os.path.exists(path):
            os.unlink(path)
