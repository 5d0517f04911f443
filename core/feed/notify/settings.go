package notify

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rabbitmq/amqp091-go"
)

// Settings are where and in which forms notifications are published.
type Settings struct {
	// address is the broker's, with a password.
	address string
	// Topics are what queues of plain notifications are named after, VersionedTopics those
	// of versioned ones; none: notifications of that form are not published.
	Topics, VersionedTopics []string
	// Durable exchanges and queues outlive a restart of the broker. Consumers have to agree
	// (amqp_durable_queues), where these are made here.
	Durable bool
	// Basic has changes of identity be told in its short form instead of CADF.
	Basic bool
}

// Help says what the setting looks like.
const Help = "amqp://USER:PASSWORD@HOST/VHOST, with options behind a ?: topics=notifications (a list with commas; none: no plain ones), " +
	"versioned_topics=versioned_notifications (likewise), durable=true, identity=basic"

var topicName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Parse reads the setting. No error shows the address, which holds a password.
func Parse(text string) (*Settings, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "amqp" && u.Scheme != "amqps" {
		return nil, errors.New("the address of the broker is not of the form amqp://USER:PASSWORD@HOST/VHOST (in a password what is no letter or digit is written %XX)")
	}
	s := &Settings{Topics: []string{"notifications"}, VersionedTopics: []string{"versioned_notifications"}}
	options := u.Query()
	for name, values := range options {
		value := values[len(values)-1]
		switch name {
		case "topics":
			s.Topics, err = topics(value)
		case "versioned_topics":
			s.VersionedTopics, err = topics(value)
		case "durable":
			s.Durable, err = word(value, "true", "false")
		case "identity":
			s.Basic, err = word(value, "basic", "cadf")
		case "cacertfile", "certfile", "keyfile", "server_name_indication":
			continue // the client's own
		default:
			return nil, fmt.Errorf("there is no option %s (options: topics, versioned_topics, durable, identity, cacertfile, certfile, keyfile)", name)
		}
		if err != nil {
			return nil, fmt.Errorf("option %s: %w", name, err)
		}
		options.Del(name)
	}
	if len(s.Topics)+len(s.VersionedTopics) == 0 {
		return nil, errors.New("there is nothing to publish: both topics and versioned_topics are none")
	}
	u.RawQuery = options.Encode()
	s.address = u.String()
	if _, err := amqp091.ParseURI(s.address); err != nil {
		return nil, errors.New("the address of the broker is not of the form amqp://USER:PASSWORD@HOST/VHOST")
	}
	return s, nil
}

func topics(value string) ([]string, error) {
	if value == "none" {
		return nil, nil
	}
	list := strings.Split(value, ",")
	if slices.ContainsFunc(list, func(name string) bool { return !topicName.MatchString(name) }) {
		return nil, errors.New("a topic has 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	return list, nil
}

func word(value, yes, no string) (bool, error) {
	if value != yes && value != no {
		return false, fmt.Errorf("it is %s or %s", yes, no)
	}
	return value == yes, nil
}
