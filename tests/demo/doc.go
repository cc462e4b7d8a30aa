// Package demo tests make demo as a reader of README meets it: what it prints is run as it is printed.
package demo
