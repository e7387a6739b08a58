"""Interactive Brokers through ib_insync or ib_async.

Entry points: `broker.IbkrBroker` (the Broker port), `feed.IbkrFeed` (historical bars), `settings.GatewaySettings`.
Importing this package imports neither library; importing `broker` or `feed` does.

Of the library we use its socket client, its decoder and its data types, and none of its state: what is believed about
orders, positions and executions is kept here. docs/adr/0010-broker-library.md says why.
"""
