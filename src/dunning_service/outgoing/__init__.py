"""Outgoing HTTP: the network rules, Standard Webhooks signatures, and a client that keeps to both."""
