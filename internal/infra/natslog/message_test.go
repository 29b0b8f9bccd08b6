package natslog_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/natslog"
)

func TestSubjects(t *testing.T) {
	for topic, subject := range map[string]string{
		"clock":               "carillon.clock",
		"orders/eu/42":        "carillon.orders.eu.42",
		"https://example.com": "carillon.https:.%.example%2Ecom",
		" a b /":              "carillon.%20a%20b%20.%",
		"/":                   "carillon.%.%",
		"100%/>":              "carillon.100%25.%3E",
		"ü/日本":                "carillon.ü.日本",
		"$SYS":                "carillon.$SYS",
	} {
		assert.Equal(t, subject, natslog.SubjectOf("carillon", event.MustTopic(topic)))
		back, err := natslog.TopicOf("carillon", subject)
		require.NoError(t, err, subject)
		assert.Equal(t, topic, back.String())
	}
}

func TestSubjectsThatAreNoTopics(t *testing.T) {
	for subject, problem := range map[string]string{
		"other.a":                              "subject is not below carillon",
		"carillon":                             "subject is not below carillon",
		"carillon.100%":                        `"%" is not followed by two digits of 0-9 and A-F`,
		"carillon.%4":                          `"%" is not followed by two digits of 0-9 and A-F`,
		"carillon.%zz":                         `"%" is not followed by two digits of 0-9 and A-F`,
		"carillon.%2e":                         `"%" is not followed by two digits of 0-9 and A-F`,
		"carillon.%41":                         "escapes a character that is written as it is",
		"carillon.a%2Fb":                       "escapes a character that is written as it is",
		"carillon.%2A":                         `topic must not contain "*"`,
		"carillon.%0A":                         "U+000A, which is not allowed",
		"carillon.\xff":                        "topic is not valid UTF-8",
		"carillon." + strings.Repeat("a", 256): "topic is 256 bytes long, at most 255 are allowed",
	} {
		_, err := natslog.TopicOf("carillon", subject)
		assert.ErrorContains(t, err, problem, subject)
	}
}

// names draws what a topic or a key may be, with the characters that mean something to NATS more often than others.
func names(t *rapid.T, label string) string {
	r := rapid.OneOf(rapid.SampledFrom([]rune(" /.%>*$_-aB7ü\u00a0\u3000")), rapid.Rune())
	return rapid.StringOfN(r, 1, 60, event.MaxName).Filter(func(s string) bool {
		_, err := event.ParseTopic(s)
		return err == nil
	}).Draw(t, label)
}

func drawEvent(t *rapid.T) event.Event {
	e := eventtest.MustEvent(rapid.String().Draw(t, "data"))
	for range rapid.IntRange(1, 4).Draw(t, "topics") {
		e.Topics = append(e.Topics, event.MustTopic(names(t, "topic")))
	}
	if rapid.Bool().Draw(t, "typed") {
		kind, err := event.ParseType(strings.TrimSpace(names(t, "type")))
		if err == nil {
			e.Type = kind
		}
	}
	if rapid.Bool().Draw(t, "keyed") {
		e.Key = eventtest.MustKey(names(t, "key"))
	}
	e.Retry = time.Duration(rapid.IntRange(0, int(event.MaxRetry.Milliseconds())).Draw(t, "retry")) * time.Millisecond
	return e
}

// Every event comes back from its message as it was, also after its headers were written and parsed as NATS does.
func TestMessagesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		msg := natslog.Encode("carillon.test", e)
		for token := range strings.SplitSeq(msg.Subject, ".") {
			assert.NotEmpty(t, token)
			assert.False(t, strings.ContainsFunc(token, func(r rune) bool { return r < 0x80 && (unicode.IsSpace(r) || r == '*' || r == '>') }), msg.Subject)
		}
		msg.Header = overTheWire(t, msg.Header)
		back, err := natslog.Decode(msg, "carillon.test", 1<<30)
		require.NoError(t, err)
		require.Equal(t, e, back)
	})
}

// Two topics never share a subject.
func TestSubjectsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := event.MustTopic(names(t, "a")), event.MustTopic(names(t, "b"))
		if a != b {
			assert.NotEqual(t, natslog.SubjectOf("p", a), natslog.SubjectOf("p", b))
		}
	})
}

// Whatever a subject is, it is either no topic or exactly the subject of that topic.
func FuzzTopicOf(f *testing.F) {
	f.Add("p.a.b")
	f.Add("p.%.%25")
	f.Fuzz(func(t *testing.T, subject string) {
		if topic, err := natslog.TopicOf("p", subject); err == nil {
			assert.Equal(t, subject, natslog.SubjectOf("p", topic))
		}
	})
}

// overTheWire writes headers as nats.go does and parses them again.
func overTheWire(t require.TestingT, header nats.Header) nats.Header {
	if len(header) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("NATS/1.0\r\n")
	for name, values := range header {
		for _, value := range values {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	parsed, err := nats.DecodeHeadersMsg([]byte(b.String()))
	require.NoError(t, err)
	return parsed
}

// What another program may publish, and what it means.
func TestForeignMessages(t *testing.T) {
	m := nats.Msg{Subject: "carillon.orders.eu.42", Data: []byte("one\r\ntwo")}
	e, err := natslog.Decode(&m, "carillon", 100)
	require.NoError(t, err)
	assert.Equal(t, eventtest.MustEvent("one\ntwo", "orders/eu/42"), e)

	m.Header = nats.Header{"Nats-Msg-Id": {strings.Repeat("x", 300)}, "X-Other": {"ignored"}, "Carillon-Type": {"message"}}
	e, err = natslog.Decode(&m, "carillon", 100)
	require.NoError(t, err)
	assert.True(t, e.Key.IsZero(), "an id that is no key")
	assert.True(t, e.Type.IsDefault())
	m.Header = nats.Header{"Nats-Msg-Id": {"50%"}}
	e, err = natslog.Decode(&m, "carillon", 100)
	require.NoError(t, err)
	assert.Equal(t, "50%", e.Key.String())
}

func TestMessagesThatAreNoEvents(t *testing.T) {
	for problem, change := range map[string]func(*nats.Msg){
		"data is larger than limits.event_bytes":       func(m *nats.Msg) { m.Data = make([]byte, 101) },
		"data is not valid UTF-8":                      func(m *nats.Msg) { m.Data = []byte("\xff") },
		"reserved for the server":                      func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Type": {"carillon.reset"}} },
		"type contains the character":                  func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Type": {"a\x01"}} },
		"Carillon-Retry: is not a number":              func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Retry": {"-1"}} },
		"retry must be a whole number of milliseconds": func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Retry": {"4000000000"}} },
		`Carillon-Topic: "%" is not followed`:          func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Topic": {"a%"}} },
		"topic must not be empty":                      func(m *nats.Msg) { m.Header = nats.Header{"Carillon-Topic": {""}} },
		"subject is not below carillon":                func(m *nats.Msg) { m.Subject = "orders" },
	} {
		m := nats.Msg{Subject: "carillon.a", Data: []byte("ok")}
		change(&m)
		_, err := natslog.Decode(&m, "carillon", 100)
		assert.ErrorContains(t, err, problem)
	}
}
