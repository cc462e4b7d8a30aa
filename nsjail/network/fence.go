package network

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// fence is a second table, inet forkgate_fence, that drops what comes from a pod's link without the mark that the first one gives it. So it
// does nothing as long as the first one is there. Whoever flushes that, which takes milliseconds to be noticed and mended, finds
// that nothing of a pod's passes meanwhile: this one the kernel lets nobody flush or change but the socket that made it (NFT_TABLE_F_OWNER,
// include/uapi/linux/netfilter/nf_tables.h), and takes away when that is closed, or its process has died.
//
// nft(8) cannot make it, as its socket goes with it. The rules are what nft would say as
//
//	iifname "fg*" meta mark & MARK == 0 drop
type fence struct{ socket *nl.NetlinkSocket }

const (
	fenceTable = "forkgate_fence"
	tableOwner = 2 // NFT_TABLE_F_OWNER
)

// raiseFence makes it.
func raiseFence() (*fence, error) {
	socket, err := nl.Subscribe(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("cannot open a socket for the table %s: %w", fenceTable, err)
	}
	f := &fence{socket}
	if err := f.make(); err != nil {
		socket.Close()
		return nil, fmt.Errorf("cannot make the table %s: %w", fenceTable, err)
	}
	return f, nil
}

// close takes it away.
func (f *fence) close() { f.socket.Close() }

func (f *fence) make() error {
	messages := []*nl.NetlinkRequest{
		message(unix.NFT_MSG_NEWTABLE, text(unix.NFTA_TABLE_NAME, fenceTable), number(unix.NFTA_TABLE_FLAGS, tableOwner)),
	}
	for name, hook := range map[string]uint32{"forward": unix.NF_INET_FORWARD, "input": unix.NF_INET_LOCAL_IN} {
		messages = append(messages,
			message(unix.NFT_MSG_NEWCHAIN,
				text(unix.NFTA_CHAIN_TABLE, fenceTable), text(unix.NFTA_CHAIN_NAME, name), text(unix.NFTA_CHAIN_TYPE, "filter"),
				// Before the first table, which takes the mark off again.
				nest(unix.NFTA_CHAIN_HOOK, number(unix.NFTA_HOOK_HOOKNUM, hook), number(unix.NFTA_HOOK_PRIORITY, firstOfAll))),
			message(unix.NFT_MSG_NEWRULE,
				text(unix.NFTA_RULE_TABLE, fenceTable), text(unix.NFTA_RULE_CHAIN, name), unmarkedFromPods()))
	}
	// All of it or nothing: a batch.
	batch := edge(unix.NFNL_MSG_BATCH_BEGIN).Serialize()
	for _, m := range messages {
		batch = append(batch, m.Serialize()...)
	}
	batch = append(batch, edge(unix.NFNL_MSG_BATCH_END).Serialize()...)
	if err := unix.Sendto(f.socket.GetFd(), batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return f.acknowledged(len(messages))
}

// firstOfAll is the priority -300, that of raw.
const firstOfAll = ^uint32(300) + 1

// acknowledged waits for the kernel's word on so many messages, or on one that it refuses.
func (f *fence) acknowledged(many int) error {
	for many > 0 {
		answers, _, err := f.socket.Receive()
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR || len(a.Data) < 4 {
				return errors.New("the kernel answers something else than was asked")
			}
			if errno := -int32(binary.NativeEndian.Uint32(a.Data)); errno != 0 {
				return unix.Errno(errno)
			}
			many--
		}
	}
	return nil
}

// unmarkedFromPods is the rule.
func unmarkedFromPods() *nl.RtAttr {
	const register = unix.NFT_REG_1
	bit := make([]byte, 4)
	binary.NativeEndian.PutUint32(bit, mark) // as the kernel has it in its registers
	none := make([]byte, 4)
	return nest(unix.NFTA_RULE_EXPRESSIONS,
		expression("meta", number(unix.NFTA_META_DREG, register), number(unix.NFTA_META_KEY, unix.NFT_META_IIFNAME)),
		// Compared is what is given, and no zero behind it.
		expression("cmp", number(unix.NFTA_CMP_SREG, register), number(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ),
			value(unix.NFTA_CMP_DATA, []byte(linkPrefix))),
		expression("meta", number(unix.NFTA_META_DREG, register), number(unix.NFTA_META_KEY, unix.NFT_META_MARK)),
		expression("bitwise", number(unix.NFTA_BITWISE_SREG, register), number(unix.NFTA_BITWISE_DREG, register),
			number(unix.NFTA_BITWISE_LEN, 4), value(unix.NFTA_BITWISE_MASK, bit), value(unix.NFTA_BITWISE_XOR, none)),
		expression("cmp", number(unix.NFTA_CMP_SREG, register), number(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ), value(unix.NFTA_CMP_DATA, none)),
		expression("immediate", number(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT),
			nest(unix.NFTA_IMMEDIATE_DATA, nest(unix.NFTA_DATA_VERDICT, number(unix.NFTA_VERDICT_CODE, 0)))), // NF_DROP
	)
}

func message(kind int, attributes ...*nl.RtAttr) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_CREATE|unix.NLM_F_ACK)
	m.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_INET, Version: unix.NFNETLINK_V0})
	for _, a := range attributes {
		m.AddData(a)
	}
	return m
}

// edge begins or ends a batch, of nftables' messages.
func edge(kind int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(kind, 0)
	of := binary.NativeEndian.Uint16(nl.BEUint16Attr(unix.NFNL_SUBSYS_NFTABLES))
	m.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: unix.NFNETLINK_V0, ResId: of})
	return m
}

func expression(name string, attributes ...*nl.RtAttr) *nl.RtAttr {
	return nest(unix.NFTA_LIST_ELEM, text(unix.NFTA_EXPR_NAME, name), nest(unix.NFTA_EXPR_DATA, attributes...))
}

func nest(kind int, attributes ...*nl.RtAttr) *nl.RtAttr {
	n := nl.NewRtAttr(unix.NLA_F_NESTED|kind, nil)
	for _, a := range attributes {
		n.AddChild(a)
	}
	return n
}

func value(kind int, data []byte) *nl.RtAttr {
	return nest(kind, nl.NewRtAttr(unix.NFTA_DATA_VALUE, data))
}

func number(kind int, n uint32) *nl.RtAttr { return nl.NewRtAttr(kind, nl.BEUint32Attr(n)) }

func text(kind int, s string) *nl.RtAttr { return nl.NewRtAttr(kind, nl.ZeroTerminated(s)) }
