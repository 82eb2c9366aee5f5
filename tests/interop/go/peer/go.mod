module gossip.test/peer

go 1.25.0

// The oldest release that any program here is built with; each program's own
// go.mod raises it.
require github.com/hashicorp/memberlist v0.1.0
