// Package work is the engine of durable operations.
//
// An operation is a row: a kind, a step, a frame with the results so far, a lease, a
// deadline. A service starts one in the transaction that also writes the resource
// (Engine.Start); from then on the engine carries it through the kind's steps, in this
// process or, after its death, in any other that has the same kind registered.
//
// What a step may rely on:
//   - Do and Undo may be called again after they have taken effect, so both are
//     repeatable. A repeat after a crash has the same frame as the first call.
//   - The frame, the writes given to Run.InCommit and the move to the next step are one
//     transaction, guarded by the lease and the epoch.
//   - The epoch grows with each claim of the operation. Whoever performs effects far
//     away refuses an epoch older than the newest it has seen.
//   - An error says by its class what comes next: Retry, Wait, Back, Fail. Any other
//     error is retried with back-off until the step's tries are used up, then fails.
//   - When an operation fails or is cancelled, steps are undone from the current one
//     (it may have half happened) to the first. Undo is retried for ever; it never skips.
//   - A step marked Pivot is the point of no return: once it is done the operation only
//     goes forward, deaf to cancellation.
//   - A step may start other operations, its children, and a later one wait for them. They
//     are recalled before the step that started them is undone.
//   - Rows of an older version of a kind are carried by the steps of that version, as long
//     as the kind keeps them.
//   - A step is carried by a process that has its role.
//
// The package owns the tables operations, operation_events and operation_carriers of each
// service's database. It knows nothing of any service. Services import it; it imports
// core/db, core/bus and core/clock.
package work
