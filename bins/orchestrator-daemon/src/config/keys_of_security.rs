use super::keys::Effect::Restart;
use super::keys::{Key, key};

/// The keys of what is decided about, and written down.
pub(super) const SECURITY: &[Key] = &[
    key(
        "audit.segmentBytesMax",
        "bytes, 4096 to 1073741824",
        Restart,
        "How large a file of the audit log grows before the next one is begun. None is ever removed by the daemon.",
    ),
    key(
        "audit.checkpointEvery",
        "records, 1 to 1000000",
        Restart,
        "After how many records one is signed, beside one after each minute without any.",
    ),
    key(
        "audit.argumentsBytesMax",
        "bytes, 0 to 65536",
        Restart,
        "How much of a call's arguments, without secrets, its record shows; their digest is always there.",
    ),
];
