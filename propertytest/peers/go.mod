module github.com/retrykit/retrykit/propertytest/peers

go 1.25.0

require (
	github.com/avast/retry-go/v5 v5.1.1
	github.com/cenkalti/backoff/v5 v5.0.3
	github.com/coder/quartz v0.3.1
	github.com/failsafe-go/failsafe-go v0.9.8
	github.com/jonboulle/clockwork v0.5.0
	github.com/retrykit/retrykit v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/retrykit/retrykit => ../..
