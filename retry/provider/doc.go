// Package provider reads what the providers of language models say when a call
// fails: how long to wait, and whether to try again at all.
package provider
