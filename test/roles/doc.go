// Package roles runs a cloud in several processes of the shipping binary, over a database
// server and a RabbitMQ of its own, and takes processes away while it works.
//
// Its tests exist where VIRGA_TEST_ENGINES names a database server and VIRGA_TEST_BROKERS a
// broker (make test-engines). They build the binary, unless VIRGA_BIN names one.
package roles
