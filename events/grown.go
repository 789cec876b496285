package events

// Grown is closed by the next Append to a partition. Take it before looking for
// events, so that none is missed; a channel that nobody has taken costs a writer
// nothing.
func (l *Log) Grown(partition int) <-chan struct{} { return l.partitions[partition].grown.heard() }
