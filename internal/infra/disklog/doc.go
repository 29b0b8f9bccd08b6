// Package disklog is the log on disk for one node: a bounded history in one bbolt file that survives restarts.
//
// What it promises:
//
//   - What [Log.Append] acknowledged is on disk (fdatasync) and is there after kill -9 and after a power loss, as far as
//     the disk keeps what it said it wrote. All events of one Append are in one transaction.
//   - The epoch is made when the file is created and stays. Positions from before a restart stay valid.
//   - Idempotency keys are kept apart from the events. They survive a restart and outlive their events within the key
//     window.
//   - Offsets begin at 1 and have no gaps. Events appended together stand together.
//   - Damage is never skipped: each entry and key has a checksum (CRC-32C) that also covers its offset, and [Open] reads
//     all of them before the log is used.
//   - After a failed write or fsync nobody knows what is on disk, so the log takes no more appends until it is opened
//     again. A full disk is the exception: the transaction is undone, the append fails, and the next one may succeed.
//
// One goroutine, [Log.Run], commits. It takes all appends that wait into one transaction, so that they share its two
// fdatasync calls; an append that finds it idle is committed at once.
//
// # Time
//
// While the log is open, ages and key windows follow the monotonic clock: a wall clock that jumps changes nothing. What
// the file holds are wall-clock times, so after a restart the ages of older entries and keys follow the wall clock: one
// that was set forward makes them older. A time in the future counts as the time of opening. The times of entries never
// run backwards, also when the wall clock does.
//
// # Size
//
// The file grows until its free pages suffice for what is appended, and does not shrink while it is open. It stays
// below 2 × (history.bytes + 300 bytes for each of history.keys) + 64 MiB, plus the largest batch. The factor covers
// pages that are partly filled, free pages between entries of different sizes, and trimmed entries that are not deleted
// yet; 64 MiB covers one transaction and the steps in which the file grows. [Open] writes the file anew when it is much
// larger than its content, which needs room for the content once more.
//
// Memory: about 16 bytes for each event that is kept and about 150 bytes for each key.
package disklog
