module gossip.test/bench/net

go 1.25.0
