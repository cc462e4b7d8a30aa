package network

// change carries out a part of a script. Where somebody else has changed nftables since the table was last known, nobody knows what the
// part adds to, and all of it is loaded.
func (s *service) change(script string) error {
	known := s.generation
	before, err := s.run(script)
	if err != nil || before == known && s.generation == before+1 {
		return err
	}
	return s.load()
}

// load replaces the table by what it should be.
func (s *service) load() error {
	for range 5 {
		before, err := s.run(s.script())
		if err != nil || s.generation == before+1 {
			return err
		}
	}
	// The table is loaded; only what it is by now is in doubt. The next change of anybody's brings it up again.
	s.log.Warn("something else changes nftables all the time, and might have changed the rules of pods")
	return nil
}

// run runs a script, and returns the generation before. What the table looks like then is found out later, by restore: who waits for
// rules need not wait for that.
func (s *service) run(script string) (before uint32, err error) {
	if before, err = generation(); err != nil {
		return 0, err
	}
	s.live = "" // it changes
	if err := nft(script); err != nil {
		return 0, err
	}
	s.generation, err = generation()
	return before, err
}

// restore loads the table again if somebody changed it. As long as nothing has changed nftables since we did, the table is as we left
// it, and that is what it is compared to from then on.
func (s *service) restore() error {
	now, err := generation()
	if err != nil || now == s.generation && s.live != "" {
		return err
	}
	live, err := listing()
	if err != nil {
		return err
	}
	again, err := generation()
	switch {
	case err != nil:
		return err
	case live == "": // it is not there, whatever it was
	case again == s.generation:
		s.live = live
		return nil
	case live == s.live:
		if again == now { // else more is coming, and is told of
			s.generation = now
		}
		return nil
	}
	s.log.Warn("somebody changed or flushed the table inet forkgate: loading it again")
	return s.load()
}
