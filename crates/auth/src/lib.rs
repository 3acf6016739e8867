//! Credentials, scopes, organisations and rate limits.
