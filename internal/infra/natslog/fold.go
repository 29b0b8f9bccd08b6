package natslog

import "carillon/internal/domain/event"

// folded are the events of an append without those whose key comes earlier.
type folded struct {
	events []event.Event
	from   []int // the index of each among all events
	place  []int // for each of all events, the index of the one with its key
	reused int   // the first of all events whose key comes earlier with another event; -1: none
}

func fold(events []event.Event) folded {
	f := folded{place: make([]int, len(events)), reused: -1}
	if len(events) == 1 {
		f.events, f.from = events, []int{0}
		return f
	}
	first := make(map[event.Key]int)
	for i, e := range events {
		at, repeated := first[e.Key]
		if e.Key.IsZero() || !repeated {
			at = len(f.events)
			f.events, f.from = append(f.events, e), append(f.from, i)
			if !e.Key.IsZero() {
				first[e.Key] = at
			}
		} else if f.reused < 0 && e.Fingerprint() != f.events[at].Fingerprint() {
			f.reused = i
		}
		f.place[i] = at
	}
	return f
}
