package gate

import "time"

// FileOperation is what a session of op sftp did to a file, or tried to, as it went over the wire.
type FileOperation struct {
	Did     string    `json:"did"`              // a word of FileWords
	Path    []byte    `json:"path"`             // as the client sent it: any bytes, often relative to where the session began
	To      []byte    `json:"to,omitempty"`     // of rename, link, symlink and copy: the other path. A symlink's is where it lies
	Change  string    `json:"change,omitempty"` // of setstat: what is to be other; of other: the extension's name
	Size    uint64    `json:"size,omitempty"`   // bytes of contents that went over
	SHA256  string    `json:"sha256,omitempty"` // of those, in hex, where they are the file's first Size bytes, each of them once
	Partial bool      `json:"partial,omitempty"`
	Outcome string    `json:"outcome"` // FileOK, what the server said instead, or that it said nothing
	Began   time.Time `json:"began"`
}

// What is done to files. A file that is opened and closed makes one operation for each direction in which it was opened.
const (
	FileRead    = "read"
	FileWrite   = "write"
	FileList    = "list"
	FileRemove  = "remove"
	FileRename  = "rename"
	FileMkdir   = "mkdir"
	FileRmdir   = "rmdir"
	FileSymlink = "symlink"
	FileLink    = "link"
	FileSetstat = "setstat"
	FileCopy    = "copy"  // within the server: no contents go over the wire
	FileOther   = "other" // an extension that is not known here
)

// FileWords lists the words for what is done.
func FileWords() []string {
	return []string{
		FileRead, FileWrite, FileList, FileRemove, FileRename, FileMkdir, FileRmdir, FileSymlink, FileLink, FileSetstat, FileCopy, FileOther,
	}
}

// How an operation ended, beside what a server says in a status.
const (
	FileOK         = "ok"
	FileUnanswered = "unanswered" // the session ended first: it may have been done or not
	FileUnclosed   = "not closed" // the session ended first
)

// FileLines is how many lines the record has for what one principal does to files, in KiB of paths, each begun one counted: most are one. Then it is
// one each second, and the others are counted.
const FileLines = 1000

// MaxFilePath is how many bytes of a path are kept: PATH_MAX (linux/limits.h), beyond which no server opens anything.
const MaxFilePath = 4096
