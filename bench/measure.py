# SPDX-License-Identifier: Apache-2.0
"""Taking samples: pairs in turn, memory of processes, what a row of the table says."""
import dataclasses
import pathlib
import statistics
import threading
import time


def paired(first, second, pairs, warm_up):
    """Runs the two in turn, the first one first in every other pair; gives the counted samples of each."""
    samples = ([], [])
    for index in range(-warm_up, pairs):
        order = ((0, first), (1, second)) if index % 2 == 0 else ((1, second), (0, first))
        for which, function in order:
            value = function()
            if index >= 0:
                samples[which].append(value)
    return samples


def alone(function, count, warm_up):
    """What has no peer."""
    return [function() for _ in range(warm_up + count)][warm_up:]


@dataclasses.dataclass
class Target:
    """What a row is to reach: a bound on kedge's own figure, on the ratio, or on both."""
    value: float | None = None
    ratio: float | None = None
    at_least: bool = False
    unit: str = ""

    def __str__(self):
        sign = ">=" if self.at_least else "<="
        parts = [] if self.value is None else [f"{sign} {self.value:g} {self.unit}".strip()]
        return ", ".join(parts + ([] if self.ratio is None else [f"{sign} {self.ratio:g}x"]))

    def met(self, value, ratio):
        def fits(figure, bound):
            return bound is None or (figure is not None and (figure >= bound if self.at_least else figure <= bound))
        return fits(value, self.value) and fits(ratio, self.ratio)


def spread(samples):
    """Between the quartiles, as a part of the median."""
    if len(samples) < 4 or not statistics.median(samples):
        return None
    low, _, high = statistics.quantiles(samples, n=4)
    return (high - low) / statistics.median(samples)


def processor_seconds(pid):
    """Of a process alone, to the nanosecond; 0: it is gone."""
    try:
        return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except OSError:
        return 0


def program(pid):
    """The name of what a process runs; "": it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


# ---- memory ---------------------------------------------------------------------------------------------------------------------

def memory_kib(pid, keys=("Pss:",)):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # gone
        return 0
    words = [line.split() for line in text.splitlines()]
    return sum(int(line[1]) for line in words if line[0] in keys)


PRIVATE = ("Private_Clean:", "Private_Dirty:")


def family(pid):
    """A process without threads and all below it."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid] + [member for child in children for member in family(int(child))]


class Peak:
    """The highest sum of PSS of a process and all below it while the block runs, looked at every 10 ms."""
    EVERY = 0.01

    def __init__(self, pid):
        self.pid, self.kib, self.samples, self.longest_gap = pid, 0, 0, 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        due = last = time.monotonic()
        while not self.done.wait(max(0, due - time.monotonic())):
            self.kib = max(self.kib, sum(memory_kib(pid) for pid in family(self.pid)))
            now = time.monotonic()
            self.samples, self.longest_gap, last = self.samples + 1, max(self.longest_gap, now - last), now
            due = max(due + self.EVERY, now)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
