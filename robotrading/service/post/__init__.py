"""The post: letters from the outbox to people, again and again until they arrive or are given up."""
