// The black-box suites: they run the built binary and share no code with it.
module github.com/linarite/linarite/test

go 1.26.0

require github.com/stretchr/testify v1.12.1

require (
	github.com/gorilla/websocket v1.5.3
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
