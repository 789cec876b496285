package hub_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Every hub that was closed has left no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
