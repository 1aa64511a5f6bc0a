// Package propertytest has generators for property tests of retry code.
//
// They draw structured values, so that a failure shrinks to a short script and
// a plain policy, and they are biased to where retry code breaks: the first
// attempts, zero and one, neighbouring magnitudes, the ends of the range.
package propertytest
