package events

// Follower reads a partition on and on. It is for one goroutine.
type Follower struct {
	// Next is the sequence number to read from. The reader moves it on.
	Next int64

	partition int
	log       *Log
	era       int64 // of the tape that Next is a number of, which may be gone
}

// Follow is a reader of a partition that begins at a sequence number.
func (l *Log) Follow(partition int, from int64) *Follower {
	return &Follower{Next: from, partition: partition, log: l, era: l.partitions[partition].tape.Load().era}
}

// Read is Log.Read from Next on, but for a log that was cleared since: then it begins
// at the first event, however many there are by now.
func (f *Follower) Read(limit int) []Event {
	f.log.expire()
	t := f.log.partitions[f.partition].tape.Load()
	if t.era != f.era {
		f.era, f.Next = t.era, 0
	}
	evs, _ := t.read(f.partition, f.Next, limit)
	return evs
}
