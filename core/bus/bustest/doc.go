// Package bustest gives tests a RabbitMQ of their own.
//
// The environment's VIRGA_TEST_BROKERS names the brokers to test with: "rabbitmq", or
// nothing, and then the tests that need one do not exist. A broker is Debian's, started in a
// folder and on ports of its own on 127.0.0.1, with its own epmd, as an unprivileged user.
// It goes away with the test process, however that ends. Only tests import the package.
package bustest
