package httpapi

import (
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/transport/delivery"
)

// streamRecord logs what a stream does, and releases its admission when it ends. It is kept small, because there are as
// many as streams; a logger with the fields attached would take a kilobyte.
type streamRecord struct {
	logger        *zap.Logger
	name, address string
	admission     subscribe.Admission
	start         time.Time
	level         zapcore.Level
}

func newStreamRecord(logger *zap.Logger, req subscribe.Request, admission subscribe.Admission, brief bool) *streamRecord {
	level := zap.InfoLevel
	if brief {
		level = zap.DebugLevel
	}
	return &streamRecord{logger: logger, name: req.Name, address: req.Address, admission: admission, start: time.Now(), level: level}
}

// opened logs the start of the stream, with the fields that identify its request, and the reason of a reset if it cannot resume where its client left off.
func (r *streamRecord) opened(from []zap.Field, proto, transport string, opened subscribe.Opened) {
	fields := append(slices.Clip(from), zap.String("conn", r.name), zap.String("peer", r.address),
		zap.String("transport", transport), zap.String("proto", proto), zap.Int("topics", opened.Topics))
	if reset := opened.Stream.Opening().Reset; reset != nil {
		fields = append(fields, zap.String("reset", string(reset.Reason)))
	}
	r.logger.Log(r.level, "stream opened", fields...)
}

// Reset logs that the stream missed events: it was too slow, or its next event was no longer kept.
func (r *streamRecord) Reset(reset pubsub.Reset) {
	r.logger.Info("stream reset", zap.String("conn", r.name), zap.String("peer", r.address), zap.String("reason", string(reset.Reason)),
		zap.String("from", reset.Requested), zap.Stringer("to", reset.At))
}

// Ended logs what the stream did.
func (r *streamRecord) Ended(summary delivery.Summary) {
	r.admission.Release()
	fields := []zap.Field{
		zap.String("conn", r.name), zap.String("peer", r.address), zap.String("reason", string(summary.Reason)),
		zap.Duration("duration", time.Since(r.start)), zap.Int64("events", summary.Events), zap.Int64("bytes", summary.Bytes),
	}
	if summary.Problem != nil {
		fields = append(fields, zap.Error(summary.Problem))
	}
	r.logger.Log(r.level, "stream closed", fields...)
}
