// Package device imports what README.md's Go program does, so that this module
// keeps the versions.
package device

import (
	_ "github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2" // as README.md does
	_ "github.com/eclipse/paho.mqtt.golang"                            // as README.md does
)
