//! Finds secrets in text and streams, in linear time.
