package door

import (
	"context"
	"slices"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// control answers the control words: ssh gate@host VERB. They go to the warden, which knows them; the door only finds out
// where one word ends.
func (s *session) control(ctx context.Context, warden Warden, j job) error {
	request, err := parseControl(j)
	if err != nil {
		return err
	}
	request.Marks, request.Alone = s.env.marks, s.alone(ctx)
	text, err := warden.Verb(ctx, request)
	if err != nil {
		return err
	}
	_, err = s.terminalSafe(s.channel).Write(text)
	return err
}

// parseControl reads words and --json, which may stand anywhere. No words at all ask for help.
func parseControl(j job) (client.VerbRequest, error) {
	if j.op == gate.OpSFTP {
		return client.VerbRequest{}, &gate.Refusal{
			Reason: gate.ControlUser + " answers control words and has no files",
			Hint:   "sftp REF@host, where REF is a repository or a fork",
		}
	}
	words, err := splitWords(string(j.command))
	if err != nil {
		return client.VerbRequest{}, err
	}
	isJSON := func(word string) bool { return word == "--json" }
	request := client.VerbRequest{JSON: slices.ContainsFunc(words, isJSON)}
	for _, word := range slices.DeleteFunc(words, isJSON) {
		request.Words = append(request.Words, []byte(word))
	}
	if len(request.Words) == 0 {
		request.Words = [][]byte{[]byte("help")}
	}
	return request, nil
}
