package fork

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// LooksLikeTar reports whether what begins so may be a Source's Tar: it is compressed in a way that is unpacked, or its first header has the sum that it says
// (pax(1), ustar; the formats before and after have it as well). What comes behind it is seen when it is unpacked. An archive of nothing is none.
func LooksLikeTar(r io.Reader) (bool, error) {
	header := make([]byte, 512)
	n, err := io.ReadFull(r, header)
	switch {
	case compressedBy(header[:n]) != "":
		return true, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return false, nil // shorter than one header
	case err != nil:
		return false, err
	}
	const from, to = 148, 156 // the sum, which counts as spaces in itself
	said, err := strconv.ParseInt(strings.Trim(string(header[from:to]), " \x00"), 8, 64)
	if err != nil {
		return false, nil
	}
	var sum, signed int64 // some tars of old have added up bytes with a sign
	for i, b := range header {
		if i >= from && i < to {
			b = ' '
		}
		sum, signed = sum+int64(b), signed+int64(int8(b))
	}
	return said == sum || said == signed, nil
}
