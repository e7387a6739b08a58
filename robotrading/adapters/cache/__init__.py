"""What was fetched once: bars and lists, kept over runs, shared by processes, never served when damaged.

Entry points: `bars.BarCache` (the store), `feed.CachedFeed` (a feed that remembers), `lists.ListCache` (index members).
"""
