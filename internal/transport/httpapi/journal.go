package httpapi

import (
	"context"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// minJournal is how many records may wait where streams are few or have no limit.
const minJournal = 4096

// journal writes what streams have to say into the log, from a goroutine of its own. They say it while thousands of
// others wait for their shard, and whoever reads the log may be slow.
type journal struct {
	log     *zap.Logger
	records chan entry
	lost    atomic.Int64
}

type entry struct {
	checked *zapcore.CheckedEntry
	fields  []zap.Field
}

// newJournal has room for the ends of all streams at once.
func newJournal(log *zap.Logger, streams int) *journal {
	return &journal{log: log, records: make(chan entry, max(streams, minJournal))}
}

// say leaves a record, stamped with the time it is now. It does not wait: a record that finds no room is counted.
func (j *journal) say(message string, fields ...zap.Field) {
	checked := j.log.Check(zap.InfoLevel, message)
	if checked == nil {
		return
	}
	select {
	case j.records <- entry{checked, fields}:
	default:
		j.lost.Add(1)
	}
}

// run writes until the context ends, and then what is left.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case e := <-j.records:
			j.write(e)
		case <-ctx.Done():
			for len(j.records) > 0 {
				j.write(<-j.records)
			}
			return
		}
	}
}

func (j *journal) write(e entry) {
	e.checked.Write(e.fields...)
	if lost := j.lost.Swap(0); lost > 0 {
		j.log.Warn("records of streams were lost: the log is not read fast enough", zap.Int64("lost", lost))
	}
}
