package fork

// hold keeps a slot for a tree to be, until release.
func (r *registry) hold(guid string) (int, error) {
	r.write.Lock()
	defer r.write.Unlock()
	slot := r.slotOf(guid)
	if slot == Slots {
		return 0, ErrNoSlot
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[guid] = slot
	return slot, nil
}

// release ends a hold. Where there is a record by now, the slot stays its.
func (r *registry) release(guid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, guid)
}

// slotOf is the slot that is held for a tree, else the lowest that is free: Slots, where none is. A record and a hold go only after
// everything of their tree is gone, the pod included, so a free slot's ids and network belong to nothing that lives.
func (r *registry) slotOf(guid string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if slot, ok := r.held[guid]; ok {
		return slot
	}
	var used [Slots + 1]bool
	for _, t := range r.trees {
		used[t.Slot] = true
	}
	for _, slot := range r.held {
		used[slot] = true
	}
	for slot := range Slots {
		if !used[slot] {
			return slot
		}
	}
	return Slots
}
