package amqp

// ParsePlain tells whether a response of SASL PLAIN is understood, and what it is
// for.
func ParsePlain(response string) (path string, ok bool) {
	c, ok := parsePlain(response)
	return c.path(), ok
}

// ParseSelector tells whether a selector is understood.
func ParseSelector(s string) bool {
	_, err := parseSelector(s)
	return err == nil
}

// ParseAddresses takes an address and an audience apart in every way there is.
func ParseAddresses(s string) {
	for _, p := range []place{parseAddress(s), parseAudience(s)} {
		_, _ = p.under("messages/events")
		_, _ = parsePartition(p.path)
		_, _, _ = parseIdentity(p.path)
	}
}
