package logging

import "go.uber.org/zap/zapcore"

// core encodes records and puts them into a queue.
type core struct {
	zapcore.LevelEnabler

	encoder zapcore.Encoder
	queue   *Queue
}

// Core returns a core whose records go into the queue.
func (q *Queue) Core(level zapcore.LevelEnabler) zapcore.Core {
	return &core{LevelEnabler: level, encoder: q.encoder.Clone(), queue: q}
}

// With implements [zapcore.Core].
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	encoder := c.encoder.Clone()
	for _, field := range fields {
		field.AddTo(encoder)
	}
	return &core{LevelEnabler: c.LevelEnabler, encoder: encoder, queue: c.queue}
}

// Check implements [zapcore.Core].
func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements [zapcore.Core]. The fields are encoded now: the caller may reuse what they refer to.
func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	record, err := c.encoder.EncodeEntry(entry, fields)
	if err != nil {
		return err
	}
	c.queue.add(record.Bytes(), entry.Level >= zapcore.ErrorLevel)
	record.Free()
	if entry.Level > zapcore.ErrorLevel { // the process may end before the goroutine writes
		return c.Sync()
	}
	return nil
}

// Sync implements [zapcore.Core]. It waits until the queue is written, but not longer than a second.
func (c *core) Sync() error { return c.queue.sync() }
