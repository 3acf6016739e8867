//! How much of a text there is, as everybody here reckons it.

/// Bytes of text per token, as providers advise to estimate English.
pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// Its beginning, up to a boundary of characters.
pub(crate) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// SHA-256.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref());
    digest
}
