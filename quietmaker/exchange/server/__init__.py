"""The paper exchange as a server: Coinbase Advanced Trade's protocol over loopback sockets."""
