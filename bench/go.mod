// The load generator: it runs the built hub beside another broker.
module github.com/linarite/linarite/bench

go 1.26.0

require github.com/linarite/linarite/test v0.0.0

replace github.com/linarite/linarite/test => ../test
