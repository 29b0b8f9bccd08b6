// Package event holds the words of Carillon: what an event is, what it is about, and where it stands.
//
// Its types are parsed once, at the edge, and cannot hold a wrong value afterwards:
//
//   - a [Topic], [Type] or [Key] is valid UTF-8 without control, format or line-separating characters,
//     so no field of it can break the framing of a stream, a log line or a header;
//   - [Data] is valid UTF-8 whose line ends are LF, so it reads the same over every transport;
//   - a [Position] names one place in one log and travels as an SSE id.
//
// All values are immutable and safe to share between goroutines.
package event
