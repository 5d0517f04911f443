// Package crash kills a cloud with SIGKILL at random moments, again and again, while clients work with it, and asks
// afterwards whether the store's view and the world's view are the same set.
//
//	make test-crash                                  # no root; all three engines, at most two and a half minutes each
//	make test-crash KILLS=2000 ACTORS=8              # longer
//	make test-crash SEED=7 ENGINES=postgres          # the same kills and wishes again, on one of sqlite, postgres, mysql
//
// The cloud is the real binary on simulated guests and a data folder that outlives each of its processes. Clients know
// nothing of the kills but broken connections: a request without an answer may have taken effect or not, so they look before
// they ask again. They remember what they were promised, and in the end it has to be there: no answered request is lost,
// none is carried out twice, nothing stays half made and nothing is left over.
//
// On PostgreSQL and MariaDB a private server holds the databases; it is stopped or killed now and then, too, under a living
// cloud. Then requests may be answered with 503 and Retry-After, whose outcome is as open as that of a request without an
// answer, but with nothing else that is not the truth, and the cloud goes on when the server is back.
//
// TestDatabaseGoesAway is about the database alone: connections that break in the middle of everything, a server that is killed,
// one that is away for ten seconds (OUTAGE=30: for longer); nobody kills the cloud.
//
// The seed fixes the moments of the kills and the wishes of the clients, not how the machine lets them meet.
//
// cloud_test.go runs and kills the binary, outage_test.go takes its database away, caller_test.go sends requests, actor_test.go and the files of the resources are the
// clients, world_test.go lists and compares the views. Nothing imports this package.
package crash
