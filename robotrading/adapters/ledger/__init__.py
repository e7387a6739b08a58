"""The journal in a database: SQLAlchemy 2 on SQLite (WAL) or any other engine by URL."""
