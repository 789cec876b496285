package rest

import "strconv"

// feedbackType is what a feedback message says its body is.
// IoT Hub: contract.md §8.7.
const feedbackType = "application/vnd.microsoft.iothub.feedback.json"

// purgeResult is PurgeMessageQueueResult of the Swagger.
type purgeResult struct {
	Purged   int     `json:"totalMessagesPurged"`
	DeviceID string  `json:"deviceId"`
	ModuleID *string `json:"moduleId"`
}

// purge drops the messages that wait for a device. IoT Hub: contract.md §8.1.
func (a *api) purge(c *call) (reply, error) {
	n, err := a.hub.Purge(c.identity())
	if err != nil {
		return reply{}, err
	}
	return document(purgeResult{Purged: n, DeviceID: c.device})
}

// receiveFeedback locks the oldest feedback message and answers with its records
// as an array, or 204 when there is none. The lock token is the ETag.
//
// The answer's headers have no source: they are those with which the device API
// describes a message (contract.md §17). Its content type is plain JSON, since
// the Python SDK reads nothing else; the message's own is in a header.
func (a *api) receiveFeedback(*call) (reply, error) {
	batch, ok := a.hub.Feedback().Receive()
	if !ok {
		return noContent()
	}
	r, err := document(batch.Records)
	r.header = map[string]string{
		"ETag":                 `"` + batch.LockToken + `"`,
		"iothub-contenttype":   feedbackType,
		"iothub-userid":        a.hub.Name(),
		"iothub-enqueuedtime":  string(momentOf(batch.EnqueuedTime, false)),
		"iothub-deliverycount": strconv.Itoa(batch.DeliveryCount),
	}
	return r, err
}

// completeFeedback removes a feedback message. Error: 412002 when its lock was
// lost.
func (a *api) completeFeedback(c *call) (reply, error) {
	if err := a.hub.Feedback().Complete(c.lockToken); err != nil {
		return reply{}, err
	}
	return noContent()
}

// abandonFeedback unlocks a feedback message, to be received again. Error:
// 412002.
func (a *api) abandonFeedback(c *call) (reply, error) {
	if err := a.hub.Feedback().Abandon(c.lockToken); err != nil {
		return reply{}, err
	}
	return noContent()
}
