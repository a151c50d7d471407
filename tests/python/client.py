"""One python-socketio client as published, driven by JSON lines as tests/node/client.mjs is."""

import json
import sys

import socketio

wanted = json.loads(sys.argv[1])
namespace, options = wanted["namespace"], wanted["options"]


def say(**line):
    # At once and whole: handlers run in threads of their own.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


client = socketio.Client()
client.on("connect", lambda: say(heard="connect", transport=client.transport()), namespace)
client.on("connect_error", lambda error: say(heard="connect_error", message=error["message"]), namespace)
client.on("disconnect", lambda reason: say(heard="disconnect", reason=reason), namespace)
client.on("*", lambda event, *args: say(heard="event", event=event, args=args), namespace)

try:
    client.connect(wanted["url"], namespaces=[namespace], **options)
except socketio.exceptions.ConnectionError as error:
    say(heard="given up", message=str(error))

for line in sys.stdin:
    order = json.loads(line)
    ack = order.get("ack")
    answered = None if ack is None else lambda *args, ack=ack: say(heard="ack", ack=ack, args=args)
    client.emit(order["event"], tuple(order["args"]), namespace, answered)
client.disconnect()
