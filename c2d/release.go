package c2d

// Release gives a batch back because the link to its receiver is gone, which
// counts for nothing. A lock that was lost meanwhile is no error.
func (f *Feedback) Release(lockToken string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clk.Now()
	if _, ok := f.batches.giveBack(lockToken, false, now); !ok {
		return
	}
	f.dropEmpty()
	f.setAlarm(now)
	f.change()
}
