package delivery

// slots are the connections that the poller watches. A kernel event carries a slotID and no pointer, so that an event
// of a connection that has been closed in the meantime finds no other connection.
type slots struct {
	all  []slot
	free []int32
}

type slot struct {
	conn       *conn
	generation int32
}

// slotID identifies a watched connection. A slot is reused with a new generation.
type slotID struct{ index, generation int32 }

// wakeSlot is the slot of the poller's own eventfd.
var wakeSlot = slotID{index: 0, generation: -1}

func newSlots() slots { return slots{all: []slot{{generation: wakeSlot.generation}}} }

func (s *slots) add(c *conn) slotID {
	var index int32
	if last := len(s.free) - 1; last >= 0 {
		index = s.free[last]
		s.free = s.free[:last]
	} else {
		index = int32(len(s.all))
		s.all = append(s.all, slot{})
	}
	s.all[index].conn = c
	return slotID{index: index, generation: s.all[index].generation}
}

func (s *slots) remove(id slotID) {
	s.all[id.index].conn = nil
	s.all[id.index].generation++
	s.free = append(s.free, id.index)
}

// conn returns the connection with an identifier, or nil if it was removed.
func (s *slots) conn(id slotID) *conn {
	if found := s.all[id.index]; found.generation == id.generation {
		return found.conn
	}
	return nil
}
