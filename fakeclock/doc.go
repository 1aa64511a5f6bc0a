// Package fakeclock is virtual time for tests and simulations.
package fakeclock
