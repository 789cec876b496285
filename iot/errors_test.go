package iot_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

func TestAnErrorCarriesItsWireForm(t *testing.T) {
	t.Parallel()
	var e *iot.Error
	require.ErrorAs(t, fmt.Errorf("twin: %w", iot.ErrDeviceNotFound), &e)
	assert.Equal(t, 404, e.Status)
	assert.Equal(t, 404001, e.Code)
	assert.Equal(t, "DeviceNotFound", e.Name)
	assert.Equal(t, "DeviceNotFound: Device not found.", e.Error())
}

func TestErrorsAreTheSameWhenTheirCodesAre(t *testing.T) {
	t.Parallel()
	because := iot.ErrQueueFull.Because("the queue of %s holds %d messages", "d1", 50)
	assert.ErrorIs(t, because, iot.ErrQueueFull)
	assert.ErrorIs(t, fmt.Errorf("send: %w", because), iot.ErrQueueFull)
	assert.NotErrorIs(t, because, iot.ErrForbidden, "one status, two codes")
	assert.NotErrorIs(t, because, errors.New("the queue is full"))
}

func TestBecauseLeavesTheCatalogueAlone(t *testing.T) {
	t.Parallel()
	because := iot.ErrForbidden.Because("not %s", "you")
	assert.Equal(t, "GenericForbidden: not you", because.Error())
	assert.Equal(t, "Forbidden.", iot.ErrForbidden.Message)
	assert.Equal(t, "GenericForbidden", iot.ErrForbidden.Because("").Error())
}
