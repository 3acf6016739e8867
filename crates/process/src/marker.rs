use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform;

/// Names the tree a process belongs to. Trees within trees are separated by commas, the innermost last.
pub(crate) const TREE: &str = "ORCHESTRATOR_PROCESS_TREE";
/// Names whose process it is, see [`Spec::owner`](crate::Spec).
pub(crate) const OWNER: &str = "ORCHESTRATOR_PROCESS_OWNER";

/// Makes ids unique within this process; the rest of the id makes them unique on this machine.
static SPAWNED: AtomicU64 = AtomicU64::new(0);

/// `<pid>-<start time>-<number>` of the process that started the tree, in hex: unique until the machine restarts,
/// and enough to tell later whether that process still lives.
pub(crate) fn new_id() -> String {
    let pid = std::process::id();
    let start = platform::entry(pid.cast_signed()).map_or(0, |own| own.start);
    format!("{pid:x}-{start:x}-{:x}", SPAWNED.fetch_add(1, Ordering::Relaxed))
}

/// The value for the child: with the trees this process itself is in, so that those still find it when we are gone.
pub(crate) fn value_for(id: &str) -> OsString {
    let outer = std::env::vars_os().find(|(name, _)| name == TREE).map(|(_, value)| value.into_vec());
    let mut value = outer.unwrap_or_default();
    if !value.is_empty() {
        value.push(b',');
    }
    value.extend_from_slice(id.as_bytes());
    OsString::from_vec(value)
}

/// Whether a process with this marker belongs to the tree `id`, or to a tree within it.
pub(crate) fn contains(value: &[u8], id: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part == id.as_bytes())
}

/// Whether the process that started the innermost tree of this marker still lives.
pub(crate) fn creator_lives(value: &[u8]) -> bool {
    let innermost = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    let Some(text) = std::ffi::OsStr::from_bytes(innermost).to_str() else { return false };
    let mut parts = text.split('-');
    let Some(pid) = parts.next().and_then(|hex| i32::from_str_radix(hex, 16).ok()) else { return false };
    let Some(start) = parts.next().and_then(|hex| u64::from_str_radix(hex, 16).ok()) else { return false };
    platform::entry(pid).is_some_and(|creator| creator.start == start && !creator.dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_their_creator_lives() {
        let (first, second) = (new_id(), new_id());
        assert_ne!(first, second);
        assert!(creator_lives(first.as_bytes()));
        assert!(creator_lives(format!("1-0-0,{first}").as_bytes()));
    }

    #[test]
    fn a_creator_with_another_start_time_is_gone() {
        let pid = std::process::id();
        for marker in [format!("{pid:x}-1-0"), format!("{},{pid:x}-1-0", new_id()), "nonsense".into(), String::new()] {
            assert!(!creator_lives(marker.as_bytes()), "{marker}");
        }
    }

    #[test]
    fn an_id_is_found_whole_among_nested_ones() {
        assert!(contains(b"1-2-3,4-5-6", "1-2-3"));
        assert!(contains(b"1-2-3,4-5-6", "4-5-6"));
        assert!(!contains(b"1-2-3,4-5-60", "4-5-6"));
    }
}
