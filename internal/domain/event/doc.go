// Package event defines events, topics, patterns and positions.
//
// Values are parsed once, where they enter the program, and are valid from then on:
//
//   - a [Topic], [Type] or [Key] is valid UTF-8 without control, format or line-separating characters,
//     so that none can break the framing of a stream, a log record or a header;
//   - [Data] is valid UTF-8 whose line ends are LF, so that it is the same over every transport;
//   - a [Position] identifies one place in one log, and is the SSE id of the event there.
//
// All values are immutable and safe to share between goroutines.
package event
