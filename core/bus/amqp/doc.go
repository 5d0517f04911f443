// Package amqp joins the processes of a cloud by RabbitMQ (AMQP 0-9-1).
//
// Bus implements bus.Bus. Any number of processes may use the same virtual host with the
// same user. All names on the broker begin with "virga.", so that a user who may configure,
// write and read what matches ^virga\., and write to the default exchange, has all rights
// that are needed.
//
// # On the broker
//
// virga.bells is a durable topic exchange. Each process binds a queue of its own to it
// (virga.bells.ID, exclusive) by the families of the topics that it listens to: a family is
// the first two words of a topic ("compute.node.#"), so that listening to one more server
// costs the broker nothing. A ring is an empty message whose routing key is the topic.
//
// Each address that is served has a queue (virga.questions.ADDRESS, auto-delete) from which
// the parties consume. The time of Serve is the consumer's priority, so that the latest party
// gets the questions. A question is a mandatory message that expires with its deadline; the
// broker returns it when there is no queue, which is bus.ErrNobody. Answers come to a queue
// of the caller's process (virga.answers.ID, exclusive), matched by correlation id. A question
// of which nothing was heard for a second, neither an answer nor that it was taken, is asked
// again, because it may have met the end of its queue.
//
// Nothing is durable but the exchange: the bus carries no state.
//
// # Loss
//
// A connection on which nothing was heard for 9 s is taken for broken. The bus reconnects for
// ever, to any of the hosts of its address, sets up its queues anew and rings all its own
// bells, because somebody may have rung meanwhile. While there is no connection rings reach
// the process's own listeners alone, calls to parties of the process work, and other calls
// wait a moment and fail with bus.ErrUnavailable. So do calls that were under way. The same
// holds while the broker blocks publishers because it lacks memory or disk.
//
// The package owns the connection and the names on the broker. It knows nothing of what is
// rung and asked. Only the wiring imports it.
package amqp
