// Package page shows recordings in a browser: one page that lists and searches them, plays one, and has beside it what was decided about
// its session and what the audit log says of it. It only reads.
//
// It is not where recordings are, which is archive's, nor what is in one, which is tape's; and it opens no file by a name that a browser
// sent. Its assets are in the binary: the browser loads nothing from elsewhere. The player is asciinema's, from npm, unchanged;
// assets/player/fetch gets it again.
//
// It trusts who has the address that it gives out, and nobody else who reaches loopback, which every user of the host can. The address
// holds a token, for which a browser gets a cookie and a key. Cookies go to every port of a host name (RFC 6265, section 8.5), so
// that another user's server on another port could be sent this one: recordings are given out for the key only, which the page keeps, and a
// page belongs to one port. A name in the Host header that is not loopback's own is refused, as a site elsewhere may have its name lead here.
//
// It trusts nothing in the recordings and nothing in the log that a caller could have had a say in: text is made printable here, and the page
// puts it in as text; what goes to the player is tamed, as in a terminal.
package page
