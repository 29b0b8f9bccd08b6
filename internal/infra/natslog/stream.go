package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// errNoStream means that the stream does not exist.
var errNoStream = fmt.Errorf("%w: the stream does not exist", pubsub.ErrUnavailable)

// info asks the stream's leader for its configuration and state.
func (l *Log) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RequestTime)
	defer cancel()
	stream, err := l.js.Stream(ctx, l.cfg.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, errNoStream
	case err != nil:
		return nil, unavailable(fmt.Errorf("stream %s: %w", l.cfg.Stream, err))
	}
	return stream.CachedInfo(), nil
}

// prepare makes the stream what the log needs, or checks that it is. The error has a line for each thing to change.
func (l *Log) prepare(ctx context.Context) error {
	if err := checkVersion(l.conn.ConnectedServerVersion()); err != nil {
		return permanent(err)
	}
	if err := l.cfg.checkPayload(l.conn.MaxPayload()); err != nil {
		return permanent(err)
	}
	info, err := l.info(ctx)
	switch {
	case errors.Is(err, errNoStream) && l.cfg.Manage:
		return l.create(ctx)
	case errors.Is(err, errNoStream):
		return permanent(fmt.Errorf("history.nats.stream: must exist, because history.nats.manage is false (got %q)", l.cfg.Stream))
	case err != nil:
		return err
	}
	if l.cfg.Manage {
		if info, err = l.update(ctx, info); err != nil {
			return err
		}
	}
	if err := l.cfg.check(info.Config); err != nil {
		return permanent(err)
	}
	return nil
}

// create makes the stream. Another node may have made it meanwhile.
func (l *Log) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*l.cfg.RequestTime)
	defer cancel()
	_, err := l.js.CreateStream(ctx, l.cfg.manage(jetstream.StreamConfig{Name: l.cfg.Stream}))
	if err == nil {
		l.logger.Info("NATS stream created", zap.String("stream", l.cfg.Stream), zap.String("subjects", l.cfg.subjects()), zap.Int("replicas", l.cfg.Replicas))
		return nil
	}
	return l.refusal("create", err)
}

// update changes the stream to what is configured, if it is not.
func (l *Log) update(ctx context.Context, info *jetstream.StreamInfo) (*jetstream.StreamInfo, error) {
	want := l.cfg.manage(info.Config)
	changes := differences(info.Config, want)
	if len(changes) == 0 {
		return info, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*l.cfg.RequestTime)
	defer cancel()
	stream, err := l.js.UpdateStream(ctx, want)
	if err != nil {
		return nil, l.refusal("update", err)
	}
	l.logger.Info("NATS stream updated", zap.String("stream", l.cfg.Stream), zap.Strings("changes", changes))
	return stream.CachedInfo(), nil
}

// refusal returns the error of a stream that could not be created or updated. One that JetStream gives for good is
// permanent.
func (l *Log) refusal(verb string, err error) error {
	err = fmt.Errorf("history.nats.stream: cannot %s %s: %w", verb, l.cfg.Stream, err)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		refused := api.Code >= 400 && api.Code < 500 && api.ErrorCode != codeNoPeers
		if refused || api.ErrorCode == codeNotClustered {
			return permanent(err)
		}
	}
	return unavailable(err)
}

const (
	codeNoPeers      jetstream.ErrorCode = 10005 // too few servers, perhaps because some are starting
	codeNotClustered jetstream.ErrorCode = 10074 // more than one replica on a single server
)

// manage returns a stream's configuration with everything that the log depends on as it must be, and all else unchanged.
func (c Config) manage(s jetstream.StreamConfig) jetstream.StreamConfig {
	s.Subjects = []string{c.subjects()}
	s.Retention, s.Discard, s.Storage = jetstream.LimitsPolicy, jetstream.DiscardOld, jetstream.FileStorage
	s.MaxMsgs, s.MaxBytes, s.MaxAge, s.MaxMsgsPerSubject = int64(c.Bounds.Events), c.Bounds.Bytes, c.Bounds.Age, -1
	s.Duplicates = c.Bounds.KeyWindow
	s.Replicas = c.Replicas
	s.AllowDirect, s.AllowAtomicPublish = true, true
	s.DenyDelete, s.DenyPurge = true, true
	return s
}

// differences says in words how the managed settings differ.
func differences(is, want jetstream.StreamConfig) (changes []string) {
	add := func(name string, is, want any) {
		if is != want {
			changes = append(changes, fmt.Sprintf("%s: %v to %v", name, is, want))
		}
	}
	add("subjects", strings.Join(is.Subjects, ","), strings.Join(want.Subjects, ","))
	add("retention", is.Retention, want.Retention)
	add("discard", is.Discard, want.Discard)
	add("storage", is.Storage, want.Storage)
	add("max_msgs", is.MaxMsgs, want.MaxMsgs)
	add("max_bytes", is.MaxBytes, want.MaxBytes)
	add("max_age", is.MaxAge, want.MaxAge)
	add("max_msgs_per_subject", is.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	add("duplicate_window", is.Duplicates, want.Duplicates)
	add("num_replicas", is.Replicas, want.Replicas)
	add("allow_direct", is.AllowDirect, want.AllowDirect)
	add("allow_atomic", is.AllowAtomicPublish, want.AllowAtomicPublish)
	add("deny_delete", is.DenyDelete, want.DenyDelete)
	add("deny_purge", is.DenyPurge, want.DenyPurge)
	return changes
}

// check returns an error with a line for each setting of the stream that the log cannot work with.
func (c Config) check(s jetstream.StreamConfig) error {
	var problems []error
	must := func(ok bool, setting string, want, got any) {
		if !ok {
			problems = append(problems, fmt.Errorf("NATS stream %s: %s must be %v (got %v)", c.Stream, setting, want, got))
		}
	}
	must(slices.Contains(s.Subjects, c.subjects()), "subjects", c.subjects(), s.Subjects)
	must(s.Retention == jetstream.LimitsPolicy, "retention", "limits", s.Retention)
	must(s.Discard == jetstream.DiscardOld, "discard", "old", s.Discard)
	must(s.AllowDirect, "allow_direct", true, s.AllowDirect)
	must(s.AllowAtomicPublish, "allow_atomic", true, s.AllowAtomicPublish)
	must(s.DenyDelete, "deny_delete", true, s.DenyDelete)
	must(!s.AllowRollup, "allow_rollup_hdrs", false, s.AllowRollup)
	must(!s.AllowMsgTTL, "allow_msg_ttl", false, s.AllowMsgTTL)
	must(!s.NoAck, "no_ack", false, s.NoAck)
	must(!s.Sealed, "sealed", false, s.Sealed)
	must(s.Mirror == nil, "mirror", "none", "one")
	must(s.MaxMsgsPerSubject <= 0, "max_msgs_per_subject", "-1", s.MaxMsgsPerSubject)
	must(s.MaxMsgs <= 0 || s.MaxMsgs >= int64(c.Bounds.Events), "max_msgs", fmt.Sprintf("-1 or at least history.events, which is %d", c.Bounds.Events), s.MaxMsgs)
	must(s.MaxBytes <= 0 || s.MaxBytes >= c.Bounds.Bytes, "max_bytes", fmt.Sprintf("-1 or at least history.bytes, which is %d", c.Bounds.Bytes), s.MaxBytes)
	must(s.MaxAge <= 0 || s.MaxAge >= c.Bounds.Age, "max_age", fmt.Sprintf("0s or at least history.age, which is %s", c.Bounds.Age), s.MaxAge)
	must(s.Duplicates >= c.Bounds.KeyWindow, "duplicate_window", fmt.Sprintf("at least history.key_window, which is %s", c.Bounds.KeyWindow), s.Duplicates)
	must(s.MaxMsgSize <= 0 || int(s.MaxMsgSize) >= c.maxMessage(), "max_msg_size",
		fmt.Sprintf("-1 or at least %d, which is limits.event_bytes and room for headers", c.maxMessage()), s.MaxMsgSize)
	return errors.Join(problems...)
}

// checkPayload returns an error unless the server takes the largest event.
func (c Config) checkPayload(maxPayload int64) error {
	most := int(maxPayload) - (c.maxMessage() - c.EventBytes)
	if c.EventBytes <= most {
		return nil
	}
	return fmt.Errorf("limits.event_bytes: must be at most %d with this NATS server, whose max_payload is %d: set max_payload to %d or more there, or lower the limit (got %d)",
		max(0, most), maxPayload, c.maxMessage(), c.EventBytes)
}

// renewed returns a stream's configuration with an epoch of its own in the metadata.
func renewed(s jetstream.StreamConfig, epoch string) jetstream.StreamConfig {
	s.Metadata = maps.Clone(s.Metadata)
	if s.Metadata == nil {
		s.Metadata = map[string]string{}
	}
	s.Metadata[metadataEpoch] = epoch
	return s
}
