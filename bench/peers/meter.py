"""What a peer costs: the last line of its stderr, as JSON."""

import atexit
import json
import resource
import sys
import time

# How many it has taken in, where it writes none of them to stdout.
records = None


def measure():
    begun = time.monotonic()
    started = resource.getrusage(resource.RUSAGE_SELF)
    before = started.ru_utime + started.ru_stime

    def say():
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "records": records,
            "seconds": time.monotonic() - begun,
            # Without what it takes to start Python and load the programme.
            "cpu": used.ru_utime + used.ru_stime - before,
            "kib": used.ru_maxrss,
        }
        sys.stderr.write("\n" + json.dumps(figures) + "\n")

    atexit.register(say)
