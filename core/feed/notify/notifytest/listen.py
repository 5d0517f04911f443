"""Prints what oslo.messaging's notification listener receives, a line of JSON each.

Arguments: transport URL, then EXCHANGE:TOPIC pairs. It ends with its input.
"""
import json
import sys
import threading

import oslo_messaging
from oslo_config import cfg

lock = threading.Lock()


def show(priority, topic):
    def shown(self, context, publisher_id, event_type, payload, metadata):
        with lock:
            print(json.dumps({
                'priority': priority, 'topic': topic, 'context': context, 'publisher_id': publisher_id,
                'event_type': event_type, 'payload': payload, 'metadata': metadata}), flush=True)
        return oslo_messaging.NotificationResult.HANDLED
    return shown


url, pairs = sys.argv[1], [pair.split(':') for pair in sys.argv[2:]]
conf = cfg.ConfigOpts()
conf([])
transport = oslo_messaging.get_notification_transport(conf, url)
listeners = []
for exchange, topic in pairs:
    endpoint = type('Endpoint', (), {p: show(p, topic) for p in ('info', 'error')})
    target = oslo_messaging.Target(exchange=exchange, topic=topic)
    listener = oslo_messaging.get_notification_listener(transport, [target], [endpoint()], executor='threading')
    listener.start()
    listeners.append(listener)
sys.stdin.read()
for listener in listeners:
    listener.stop()
    listener.wait()
