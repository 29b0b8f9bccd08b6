package presence

// Rooms returns how many rooms there are.
func (p *Presence) Rooms() int { return len(p.all()) }
