package disklog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"carillon/internal/domain/event"
)

// An entry is stored under its offset (8 bytes, big-endian, so that the tree's order is the log's) as
//
//	checksum  4 bytes, CRC-32C of all that follows, XOR both halves of the offset
//	time      8 bytes, nanoseconds since 1970
//	size      4 bytes, [event.Event.Size] when it was appended
//	retry     uvarint, milliseconds
//	type      uvarint length and text; empty is the default type
//	key       uvarint length and text; empty is none
//	topics    uvarint count, then uvarint length and text of each
//	data      the rest
//
// A remembered key is stored under the offset of its event as checksum, time, [event.Event.Fingerprint] (8 bytes) and text.
// All numbers are big-endian.
const (
	offsetLength = 8
	timeAt       = 4
	sizeAt       = timeAt + 8
	bodyAt       = sizeAt + 4
	printAt      = timeAt + 8
	keyAt        = printAt + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errChecksum = errors.New("checksum does not match")
	errShort    = errors.New("record is too short")
)

func offsetKey(offset uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, offsetLength), offset)
}

func parseOffset(k []byte) (uint64, error) {
	if len(k) != offsetLength {
		return 0, fmt.Errorf("offset of %d bytes", len(k))
	}
	return binary.BigEndian.Uint64(k), nil
}

// seal writes the checksum of a record at its beginning.
func seal(offset uint64, record []byte) {
	binary.BigEndian.PutUint32(record, checksum(offset, record))
}

// checksum covers the offset too, so that a record in the wrong place is found.
func checksum(offset uint64, record []byte) uint32 {
	return crc32.Checksum(record[timeAt:], castagnoli) ^ uint32(offset) ^ uint32(offset>>32)
}

// unseal checks a record's length and checksum.
func unseal(offset uint64, record []byte, shortest int) error {
	if len(record) < shortest {
		return errShort
	}
	if binary.BigEndian.Uint32(record) != checksum(offset, record) {
		return errChecksum
	}
	return nil
}

// encodeEvent returns an entry's record without offset, time and checksum, which only the committer knows.
func encodeEvent(e event.Event) []byte {
	length := bodyAt + 3*binary.MaxVarintLen64 + len(e.Key.String()) + len(e.Data.String())
	kind := ""
	if !e.Type.IsDefault() {
		kind = e.Type.String()
	}
	length += len(kind)
	for _, t := range e.Topics {
		length += binary.MaxVarintLen32 + len(t.String())
	}
	b := make([]byte, bodyAt, length)
	binary.BigEndian.PutUint32(b[sizeAt:], uint32(e.Size()))
	b = binary.AppendUvarint(b, uint64(e.Retry.Milliseconds()))
	b = appendText(b, kind)
	b = appendText(b, e.Key.String())
	b = binary.AppendUvarint(b, uint64(len(e.Topics)))
	for _, t := range e.Topics {
		b = appendText(b, t.String())
	}
	return append(b, e.Data.String()...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// finish completes a record of [encodeEvent].
func finish(record []byte, offset uint64, wall int64) {
	binary.BigEndian.PutUint64(record[timeAt:], uint64(wall))
	seal(offset, record)
}

// recordTime returns the wall-clock time in a record whose length was checked.
func recordTime(record []byte) int64 { return int64(binary.BigEndian.Uint64(record[timeAt:])) }

// recordSize returns the size of the event in an entry's record whose length was checked.
func recordSize(record []byte) uint32 { return binary.BigEndian.Uint32(record[sizeAt:]) }

// decodeEntry reads an entry's record. What it returns shares no memory with the record, which belongs to a
// transaction.
func decodeEntry(epoch event.Epoch, offset uint64, record []byte) (event.Entry, error) {
	if err := unseal(offset, record, bodyAt); err != nil {
		return event.Entry{}, err
	}
	e, err := decodeEvent(record[bodyAt:])
	if err != nil {
		return event.Entry{}, err
	}
	return event.Entry{
		Position: event.Position{Epoch: epoch, Offset: offset},
		Time:     time.Unix(0, recordTime(record)),
		Event:    e,
	}, nil
}

func decodeEvent(body []byte) (e event.Event, err error) {
	r := reader{rest: body}
	retry := r.number(uint64(event.MaxRetry.Milliseconds()))
	kind, key := r.text(), r.text()
	topics := r.number(uint64(len(body))) // a topic takes a byte at least
	if r.failed {
		return event.Event{}, errShort
	}
	e.Retry = time.Duration(retry) * time.Millisecond
	if e.Type, err = event.ParseType(kind); err != nil {
		return event.Event{}, err
	}
	if e.Key, err = event.ParseKey(key); err != nil {
		return event.Event{}, err
	}
	for range topics {
		text := r.text()
		if r.failed {
			return event.Event{}, errShort
		}
		topic, err := event.ParseTopic(text)
		if err != nil {
			return event.Event{}, err
		}
		e.Topics = append(e.Topics, topic)
	}
	if e.Data, err = event.ParseData(string(r.rest)); err != nil {
		return event.Event{}, err
	}
	return e, nil
}

// reader takes a record's body apart.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) number(most uint64) uint64 {
	n, length := binary.Uvarint(r.rest)
	if length <= 0 || n > most {
		r.rest, r.failed = nil, true
		return 0
	}
	r.rest = r.rest[length:]
	return n
}

func (r *reader) text() string {
	n := r.number(uint64(len(r.rest)))
	if n > uint64(len(r.rest)) {
		r.rest, r.failed = nil, true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

// encodeKey returns the record of a key.
func encodeKey(key event.Key, fingerprint, offset uint64, wall int64) []byte {
	b := make([]byte, keyAt, keyAt+len(key.String()))
	binary.BigEndian.PutUint64(b[printAt:], fingerprint)
	b = append(b, key.String()...)
	finish(b, offset, wall)
	return b
}

func decodeKey(offset uint64, record []byte) (key event.Key, fingerprint uint64, err error) {
	if err := unseal(offset, record, keyAt+1); err != nil {
		return event.Key{}, 0, err
	}
	key, err = event.ParseKey(string(record[keyAt:]))
	return key, binary.BigEndian.Uint64(record[printAt:]), err
}
