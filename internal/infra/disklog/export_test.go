package disklog

import (
	"carillon/internal/domain/event"
)

// FileName is the name of the file in a log's directory.
const FileName = fileName

// EncodeEntry returns the record of an entry.
func EncodeEntry(e event.Entry) []byte {
	record := encodeEvent(e.Event)
	finish(record, e.Position.Offset, e.Time.UnixNano())
	return record
}

// DecodeEntry reads a record.
var DecodeEntry = decodeEntry

// SealEntry corrects the checksum of a record.
var SealEntry = seal
