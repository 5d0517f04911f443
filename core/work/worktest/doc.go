// Package worktest proves of every kind of operation that nothing is lost and nothing is
// left, whatever happens at whichever border of a step.
//
// A service's test makes a World (the service over a fresh database, its neighbours and
// agents as fakes) and registers a Subject for each kind: what has to be there before, and
// the request that starts the operation. Run then repeats each step, fails before and
// after each effect, lets the deadline pass, cuts the host off, deletes the resource and
// crashes the process at every border, and repeats every undo. After each it compares what
// the store says with what the world holds, and looks for resources that stand in a state
// of transition without a live operation to end it. A kind that the engine has and nobody
// registered fails the test.
//
// Each proof runs in a bubble of testing/synctest, so that hours of waiting cost nothing.
// Only tests import the package.
package worktest
