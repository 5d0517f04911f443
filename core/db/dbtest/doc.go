// Package dbtest gives tests databases of every engine that Virga runs on.
//
// The environment's VIRGA_TEST_ENGINES names the engines, "sqlite,postgres,mysql"; sqlite
// alone without it. Servers are started when first needed, in a folder and on a socket of
// their own, as an unprivileged user, and go away with the test process, however it ends.
// An engine that is wanted and not installed fails the test. Only tests import the package.
package dbtest
