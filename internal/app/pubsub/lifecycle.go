package pubsub

// open adds an attached stream to the shard.
func (s *shard) open(st *Stream) {
	if st.state != stateNew {
		return
	}
	st.slot = int32(len(s.streams))
	st.hits = noHits
	s.streams = append(s.streams, st)
	s.index.add(st)
	st.cursor, st.knownOffset = st.start.Offset, st.start.Offset
	st.lastWrite = s.wheel.tick
	if st.sub.Notices != nil {
		st.sub.Notices.Begin(st)
	}
	if st.start.Epoch == s.epoch {
		s.queueCatchUp(st)
	} else { // the log was replaced since the start was found
		s.resetEpoch(st, st.start)
	}
	switch {
	case st.state == stateClosed:
	case st.pendingEnd != "":
		s.end(st, st.pendingEnd)
	case s.drain.active:
		s.end(st, EndDrain)
	default:
		if why := s.engine.verdict(st.sub); why != "" {
			s.end(st, why)
			return
		}
		s.ready(st) // a sink may hold the opening
		if st.state != stateClosed {
			s.onTimer(st)
		}
	}
}

// ready continues with a stream whose sink has room again.
func (s *shard) ready(st *Stream) {
	switch st.state {
	case stateParked:
		s.queueCatchUp(st)
	case stateLagging, stateReading, stateLive:
		// The sink took everything, but may hold a part of it.
		if err := st.sink.Flush(); err != nil {
			s.end(st, EndFailed)
		}
	case stateNew, stateClosed:
	}
	s.notify(st)
}

// end removes the stream from the shard and closes its sink. It does nothing for a stream that has ended.
func (s *shard) end(st *Stream, why EndReason) {
	switch st.state {
	case stateClosed:
		return
	case stateNew: // the message to end it came before the one to open it
		st.pendingEnd = why
		return
	case stateLagging, stateReading, stateLive, stateParked:
	}
	if keeper, ok := st.sink.(PositionKeeper); ok {
		keeper.EndsAt(s.position(s.givenUpTo(st)))
	}
	st.state = stateClosed
	st.endPosted.Store(true)
	s.index.remove(st)
	s.wheel.remove(st)
	last := len(s.streams) - 1
	moved := s.streams[last]
	s.streams[st.slot], moved.slot = moved, st.slot
	s.streams[last] = nil
	s.streams = s.streams[:last]
	if refiner, ok := st.sink.(ReasonRefiner); ok {
		why = refiner.RefineReason(why)
	}
	st.sink.Close(why)
	st.sink = nil
	if st.sub.Notices != nil {
		st.sub.Notices.End()
	}
	s.engine.streamEnded(why)
}

// givenUpTo returns the offset up to which a stream has been given everything that matches.
func (s *shard) givenUpTo(st *Stream) uint64 {
	if st.state == stateLive {
		return max(s.cursor, st.cursor)
	}
	return st.cursor
}
