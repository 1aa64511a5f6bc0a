// Package sdks puts the clients that people ship through the weather of package
// wire: the official SDKs of model providers, and the retry libraries beneath
// them. Each is adapted in a few lines and runs as it is published, at the
// version that go.mod pins.
//
// It is a module of its own, because the newest of these SDKs need a newer Go
// and more other modules than the rest.
package sdks
