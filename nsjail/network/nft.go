package network

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nft runs nft(8) on a script, which takes effect as a whole or not at all.
func nft(script string) error {
	_, err := nftOutput(script, "-f", "-")
	return err
}

func nftOutput(input string, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	c := exec.Command("nft", args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &out, &complaint
	if err := c.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("there is no nft; install the package nftables")
		}
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("cannot change nftables: %w: %s", err, first)
	}
	return out.Bytes(), nil
}

// listing is our table as it is, without what the kernel itself keeps in it, in one form for one state. It is empty when there is
// no table.
func listing() (string, error) {
	out, err := nftOutput("", "--json", "--stateless", "list", "table", "inet", "forkgate")
	if err != nil {
		if tables, err := nftOutput("", "list", "tables"); err == nil && !strings.Contains(string(tables), "table inet forkgate\n") {
			return "", nil
		}
		return "", err
	}
	var table struct {
		Objects []map[string]map[string]any `json:"nftables"`
	}
	if err := json.Unmarshal(out, &table); err != nil {
		return "", fmt.Errorf("cannot read what nft lists: %w", err)
	}
	for _, object := range table.Objects {
		delete(object, "metainfo")
		for _, set := range object {
			if name := set["name"]; name == "connections" || name == "rates" {
				delete(set, "elem")
			}
			sortElements(set)
		}
	}
	text, err := json.Marshal(table.Objects)
	return string(text), err
}

// sortElements undoes the order of a hash table.
func sortElements(set map[string]any) {
	elems, ok := set["elem"].([]any)
	if !ok {
		return
	}
	texts := make([]string, len(elems))
	for i, e := range elems {
		text, _ := json.Marshal(e) // it comes from JSON
		texts[i] = string(text)
	}
	slices.Sort(texts)
	set["elem"] = texts
}

// generation counts the changes of nftables in this network namespace, anybody's (NFT_MSG_GETGEN,
// include/uapi/linux/netfilter/nf_tables.h).
func generation() (uint32, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: unix.NFNETLINK_V0})
	replies, err := request.Execute(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN)
	if err != nil {
		return 0, fmt.Errorf("cannot ask for the generation of nftables: %w", err)
	}
	for _, reply := range replies {
		attributes, err := nl.ParseRouteAttr(reply[nl.SizeofNfgenmsg:])
		if err != nil {
			return 0, fmt.Errorf("cannot read the generation of nftables: %w", err)
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.NFTA_GEN_ID && len(a.Value) == 4 {
				return binary.BigEndian.Uint32(a.Value), nil
			}
		}
	}
	return 0, errors.New("the kernel does not tell the generation of nftables")
}
