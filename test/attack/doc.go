// Package attack plays people who want what is not theirs, or want the cloud down, over HTTP against a whole cloud.
//
// catalogue_test.go lists every attack with the advisory it is known by elsewhere. covered_test.go lists what succeeded
// elsewhere in the field, and which tests, here and beside the code, show that it does not; what attacks a service that is
// not there yet asks for its tests as soon as it is. Two more tests go through the tables of
// all services instead of through a list: strangers_test.go sends every request of every API as somebody of another
// project, and mutate_test.go sends bodies that are wrong in one place. Nothing imports this package.
package attack
