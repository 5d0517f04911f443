// Package crash kills a cloud with SIGKILL at random moments, again and again, while clients work with it, and asks
// afterwards whether the store's view and the world's view are the same set.
//
//	make test-crash                                  # no root; under three minutes
//	make test-crash KILLS=2000 ACTORS=8              # longer
//	make test-crash SEED=7                           # the same kills and wishes again
//
// The cloud is the real binary on simulated guests and a data folder that outlives each of its processes. Clients know
// nothing of the kills but broken connections: a request without an answer may have taken effect or not, so they look before
// they ask again. They remember what they were promised, and in the end it has to be there: no answered request is lost,
// none is carried out twice, nothing stays half made and nothing is left over.
//
// The seed fixes the moments of the kills and the wishes of the clients, not how the machine lets them meet.
//
// cloud_test.go runs and kills the binary, caller_test.go sends requests, actor_test.go and the files of the resources are the
// clients, world_test.go lists and compares the views. Nothing imports this package.
package crash
