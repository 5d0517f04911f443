// Package notify publishes the changes of a service's feed to RabbitMQ in the form of
// OpenStack's notifications, for consumers written for that: metering, billing, DNS,
// evacuation.
//
// The form is oslo.messaging's driver "messagingv2": a topic exchange for each service,
// queues and routing keys TOPIC.PRIORITY ("notifications.info"), and bodies of the form
//
//	{"oslo.version": "2.0", "oslo.message": "{\"event_type\": \"compute.instance.create.end\", …}"}
//
// What a change is called and what its payload has is known by the service: Format. A
// Publisher walks the feed with a position in the database. It moves on when the broker has
// confirmed, so a change is published at least once, whatever happens to the broker or to
// this process; message_id and _unique_id follow from the change, so that consumers
// recognise one that comes again. One process at a time publishes for a service (a lease); none
// ever waits for it.
//
// Queues are made when they are missing, as OpenStack's own publishers do, so that nothing is
// lost before the first consumer comes. app wires it; it imports core/feed.
package notify
