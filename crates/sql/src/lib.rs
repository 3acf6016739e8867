//! SQLite or PostgreSQL behind one handle: migrations, transactions, and a group-committing writer.
