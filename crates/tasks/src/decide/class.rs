use std::collections::BTreeSet;

use orchestrator_vocab::Capability;

/// The class of tasks that require these capabilities: the names in order, separated by spaces. Empty if none is required.
pub fn class_of(required: &BTreeSet<Capability>) -> String {
    required.iter().map(Capability::as_str).collect::<Vec<_>>().join(" ")
}

/// The capabilities a class requires. The inverse of [`class_of`].
pub fn required_by(class: &str) -> impl Iterator<Item = &str> {
    class.split(' ').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_names_its_capabilities_in_order() {
        let required = ["web", "rust"].map(|name| name.parse().unwrap()).into();
        assert_eq!(class_of(&required), "rust web");
        assert_eq!(required_by("rust web").collect::<Vec<_>>(), ["rust", "web"]);
        assert_eq!(class_of(&BTreeSet::new()), "");
        assert_eq!(required_by("").count(), 0);
    }
}
