// Package propertytest has generators for property tests of retry code.
//
// They draw structured values, so that a failure shrinks to a short script and
// a plain policy, and they are biased to where retry code breaks: the first
// attempts, zero and one, neighbouring magnitudes, the ends of the range.
//
// [Files] runs scenarios as tests. [RunHTTP] puts code that talks HTTP and takes
// no clock, such as an SDK, through bad weather on virtual time.
package propertytest
