package disklog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

func fullEntry(t testing.TB) event.Entry {
	t.Helper()
	e := say(t, "three\n lines: \x00\tdata: \u2028\n", "k")
	e.Topics = append(e.Topics, event.MustTopic("https://example.com/ü"), event.MustTopic(" a//b "))
	e.Retry = 1500 * time.Millisecond
	var err error
	e.Type, err = event.ParseType("price.changed")
	require.NoError(t, err)
	return event.Entry{Position: event.Position{Epoch: "e", Offset: 1 << 40}, Time: time.Unix(0, 1), Event: e}
}

func TestEntryRoundTrip(t *testing.T) {
	full := fullEntry(t)
	got, err := disklog.DecodeEntry("e", full.Position.Offset, disklog.EncodeEntry(full))
	require.NoError(t, err)
	assert.Equal(t, full, got)
}

func TestEveryBitOfAnEntryIsChecked(t *testing.T) {
	full := fullEntry(t)
	record := disklog.EncodeEntry(full)
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		_, err := disklog.DecodeEntry("e", full.Position.Offset, record)
		require.Error(t, err, "bit %d", bit)
		record[bit/8] ^= 1 << (bit % 8)
	}
	for bit := range 64 {
		_, err := disklog.DecodeEntry("e", full.Position.Offset^1<<bit, record)
		require.Error(t, err, "in the wrong place")
	}
	for n := range record {
		_, err := disklog.DecodeEntry("e", full.Position.Offset, record[:n])
		require.Error(t, err, "cut off")
	}
}

// FuzzDecodeEntry holds that any record, with a correct checksum too, is an error or an event that survives being
// written again.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(uint64(1<<40), disklog.EncodeEntry(fullEntry(f)))
	f.Add(uint64(1), disklog.EncodeEntry(event.Entry{Event: say(f, "", "")}))
	f.Add(uint64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, offset uint64, record []byte) {
		if len(record) >= 4 {
			disklog.SealEntry(offset, record)
		}
		entry, err := disklog.DecodeEntry("e", offset, record)
		if err != nil {
			return
		}
		again, err := disklog.DecodeEntry("e", offset, disklog.EncodeEntry(entry))
		require.NoError(t, err)
		require.Equal(t, entry, again)
	})
}
