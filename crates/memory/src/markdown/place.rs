use crate::{Kind, Memory, MemoryId, Tier};

/// The longest part of a name that is taken from a text, in bytes.
const SLUG_BYTES_MAX: usize = 48;
/// Of an id: those that were drawn, not those that tell the time.
const ID_DIGITS: usize = 12;

/// Where a memory's file is: `semantic/preference/tables-no-prose-4f2a90b1c3d5.md`. A text has no say in it but by its letters and digits.
pub(super) fn path(memory: &Memory) -> String {
    let Memory { id, tier, kind, text, .. } = memory;
    format!("{tier}/{kind}/{}-{}.md", slug(text), short(*id))
}

/// Whether the file of this memory may be there.
pub(super) fn is_of(path: &str, id: MemoryId) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let [tier, kind, name] = parts[..] else { return false };
    let ending = format!("-{}.md", short(id));
    let is_slug = |slug: &str| slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    tier.parse::<Tier>().is_ok() && kind.parse::<Kind>().is_ok() && name.strip_suffix(&ending).is_some_and(is_slug)
}

fn short(id: MemoryId) -> String {
    let text = id.to_string();
    text[text.len() - ID_DIGITS..].to_owned()
}

/// The first words of a text, for a person who looks at a folder.
fn slug(text: &str) -> String {
    let lower = text.chars().take(4 * SLUG_BYTES_MAX).map(|c| c.to_ascii_lowercase());
    let only: String = lower.map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let mut slug = String::new();
    for word in only.split_ascii_whitespace() {
        let room = SLUG_BYTES_MAX.saturating_sub(slug.len() + usize::from(!slug.is_empty()));
        if !slug.is_empty() && word.len() > room {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word[..word.len().min(room)]);
    }
    if slug.is_empty() { "memory".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Actor, OrgId, Timestamp};

    use super::*;
    use crate::Draft;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let memory = Draft::fact(text).into_memory(OrgId::LOCAL, Actor::system("test"), Timestamp(0)).unwrap();
        let id = memory.id.to_string();
        let path = path(&memory);
        assert_eq!(path, format!("semantic/fact/{expected}-{}.md", &id[id.len() - 12..]));
        assert!(is_of(&path, memory.id) && !is_of(&path, MemoryId::new()));
    }

    #[test]
    fn a_name_is_readable_and_leads_nowhere_else() {
        check("The staging database listens on port 6432.", "the-staging-database-listens-on-port-6432");
        check("../../etc/passwd\0\n", "etc-passwd");
        check("Größe: 7", "gr-e-7");
        check("你好", "memory");
        check(&"x".repeat(100), &"x".repeat(48));
        check(&"word ".repeat(100), &["word"; 9].join("-"));
    }

    #[test]
    fn other_places_are_not_ours() {
        let id: MemoryId = "memory_0000000000007000800000000000000a".parse().unwrap();
        assert!(is_of("semantic/fact/a-00000000000a.md", id));
        for other in [
            "fact/a-00000000000a.md",
            "semantic/fact/../a-00000000000a.md",
            "semantic/fact/.a-00000000000a.md",
            "semantic/other/a-00000000000a.md",
            "semantic/fact/a-00000000000a.txt",
            "/semantic/fact/a-00000000000a.md",
        ] {
            assert!(!is_of(other, id), "{other}");
        }
    }
}
