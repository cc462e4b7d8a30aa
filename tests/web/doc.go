// Package web tests the page of recordings in a real browser, at the width of a desk and of a phone, as forkgate replay --web serves it, and
// that asciinema's own player plays what is recorded. With SHOTS=DIR it leaves pictures of what it saw, to be looked at.
package web
