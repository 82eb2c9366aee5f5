package peer

import (
	"encoding/hex"
	"flag"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
)

// Settings are the flags that every program takes.
type Settings struct {
	Name     string
	Preset   string
	Label    string
	Compress bool
	Protocol uint
	Meta     string
	State    string
	Ack      string
	keys     keys

	VerifyIncoming, VerifyOutgoing bool

	Retransmit int
	Remember   time.Duration
}

// SettingsFromFlags defines the flags; the values are there after flag.Parse.
func SettingsFromFlags() *Settings {
	s := &Settings{}
	flag.StringVar(&s.Name, "name", "", "name of this node")
	flag.StringVar(&s.Preset, "preset", "local", "memberlist preset, lan or local, before the test timings")
	flag.StringVar(&s.Label, "label", "", "memberlist label (memberlist 0.3.0 and later)")
	flag.BoolVar(&s.Compress, "compress", true, "compress what is sent")
	flag.UintVar(&s.Protocol, "protocol", 2, "protocol version spoken")
	flag.StringVar(&s.Meta, "meta", "", "metadata of this node")
	flag.StringVar(&s.State, "state", "", "state given to others in each push/pull")
	flag.StringVar(&s.Ack, "ack", "", "payload of ping acks")
	flag.Var(&s.keys, "key", "encryption key in hex; may repeat, the first is the primary")
	flag.BoolVar(&s.VerifyIncoming, "verify-incoming", true, "with keys: refuse clear text")
	flag.BoolVar(&s.VerifyOutgoing, "verify-outgoing", true, "with keys: encrypt")
	flag.IntVar(&s.Retransmit, "retransmit", 0, "multiplier of how often a broadcast is sent, if not as in the preset")
	flag.DurationVar(&s.Remember, "remember", 0, "how long the dead are remembered, if not as in the preset")
	return s
}

// Config is the memberlist configuration that these settings ask for, with
// timings that make a failure visible in about a second.
func (s *Settings) Config() (*memberlist.Config, error) {
	var config *memberlist.Config
	switch s.Preset {
	case "lan":
		config = memberlist.DefaultLANConfig()
	case "local":
		config = memberlist.DefaultLocalConfig()
	default:
		return nil, fmt.Errorf("preset %q is neither lan nor local", s.Preset)
	}

	config.Name = s.Name
	config.EnableCompression = s.Compress
	config.ProtocolVersion = uint8(s.Protocol)
	config.GossipInterval = 50 * time.Millisecond
	config.ProbeInterval = 200 * time.Millisecond
	config.ProbeTimeout = 100 * time.Millisecond
	config.PushPullInterval = time.Second
	config.SuspicionMult = 2
	if s.Retransmit > 0 {
		config.RetransmitMult = s.Retransmit
	}
	if s.Remember > 0 {
		config.GossipToTheDeadTime = s.Remember
	}
	if len(s.keys) > 0 {
		keyring, err := memberlist.NewKeyring(s.keys, s.keys[0])
		if err != nil {
			return nil, err
		}
		config.Keyring = keyring
	}
	for name, value := range map[string]any{
		"Label":                s.Label,
		"GossipVerifyIncoming": s.VerifyIncoming,
		"GossipVerifyOutgoing": s.VerifyOutgoing,
	} {
		if err := set(config, name, value); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// The same source is built with releases that lack some fields, hence reflection. What they
// do without the field is the default: no label, and as strict as can be.
func set(config *memberlist.Config, name string, value any) error {
	field := reflect.ValueOf(config).Elem().FieldByName(name)
	switch {
	case field.IsValid():
		field.Set(reflect.ValueOf(value))
	case value != "" && value != true:
		return fmt.Errorf("memberlist %s has no %s", Version("github.com/hashicorp/memberlist"), name)
	}
	return nil
}

type keys [][]byte

func (k *keys) String() string { return fmt.Sprintf("%d keys", len(*k)) }

func (k *keys) Set(text string) error {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	*k = append(*k, key)
	return err
}
