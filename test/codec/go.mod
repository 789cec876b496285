// What holds amqp/codec against another implementation.
module github.com/linarite/linarite/test/codec

go 1.26.0

replace github.com/linarite/linarite => ../..

require (
	github.com/Azure/go-amqp v1.7.0
	github.com/linarite/linarite v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	pgregory.net/rapid v1.3.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
