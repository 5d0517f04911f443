// Package orders is the language between the compute service and its node agents: the
// bodies of the routes below /internal/hosts, and nothing but them.
//
// It owns the wire structs and says what each side may count on. It owns no behaviour and
// imports nothing of Virga. The compute service and service/compute/agent import it.
//
// # How the two sides work together
//
// An agent describes its host with PUT /internal/hosts/{host} (Host) when that changes, and
// now and then. In between it gives signs of life with PUT /internal/hosts/{host}/alive
// (Alive), as often as the answer says, and one more when it ends. It
// learns what its host should have with GET /internal/hosts/{host}/guests?since=N
// (GuestList): when the bell Topic(host) rings, and when the answer to a sign of life has
// another generation than the agent. What came of an order it
// says with PUT /internal/hosts/{host}/guests/{server_id} (Report). Questions about things
// that are nowhere stored come to the bus address Topic(host): QuestionConsole.
//
// Orders are levels, not commands: an order tells what should be, with a generation that
// grows with each change of the wish for that host. The newest generation of a guest counts;
// repeating it is harmless. Reports may be lost, repeated and reordered: the service ignores
// one whose generation is older than the order's. An agent therefore reports again when it
// is in doubt, and does so for every guest after its own start.
//
// An order is acted on until its generation is reached, and no longer: once it was reported
// as reached the list shows it as Settled, and whatever the guest does afterwards (a
// shutdown from within) is reported and not put right.
//
// A guest that is to go over to another host while it runs has an order at both: Prepared with
// Arrive there, then Moved with Move here. Here it is reported as StateMoving with how far it is,
// and as StateMoved once it runs there, which the other host reports, too, as StateRunning. An
// order to run with Move.Recall has the host find out where the guest is before it lets it run;
// it is answered with StateMoved when the guest has left.
//
// An Absent order stays until it is reported as absent; then it is forgotten.
package orders
