use serde_json::Value;

/// Differences that are counted; beyond them, two requests have nothing to do with each other.
const DIFFERENCES_MAX: usize = 1_000;
/// Characters of a value that are shown.
const SHOWN_MAX: usize = 80;

/// How two values differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// In how many places.
    pub(super) places: usize,
    /// The first of them: a JSON pointer, what was recorded, and what is asked.
    pub(super) first: Option<(String, String, String)>,
}

impl Difference {
    pub(super) fn between(recorded: &Value, asked: &Value) -> Self {
        let mut found = Self::default();
        found.compare(&mut String::new(), recorded, asked);
        found
    }

    fn compare(&mut self, at: &mut String, recorded: &Value, asked: &Value) {
        let length = at.len();
        match (recorded, asked) {
            (Value::Object(old), Value::Object(new)) => {
                for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                    at.push('/');
                    at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    self.pair(at, old.get(name), new.get(name));
                    at.truncate(length);
                }
            }
            (Value::Array(old), Value::Array(new)) => {
                for number in 0..old.len().max(new.len()) {
                    at.push_str(&format!("/{number}"));
                    self.pair(at, old.get(number), new.get(number));
                    at.truncate(length);
                }
            }
            (old, new) if old == new => {}
            (old, new) => self.note(at, Some(old), Some(new)),
        }
    }

    fn pair(&mut self, at: &mut String, recorded: Option<&Value>, asked: Option<&Value>) {
        match (recorded, asked) {
            _ if self.places >= DIFFERENCES_MAX => {}
            (Some(recorded), Some(asked)) => self.compare(at, recorded, asked),
            (recorded, asked) => self.note(at, recorded, asked),
        }
    }

    fn note(&mut self, at: &str, recorded: Option<&Value>, asked: Option<&Value>) {
        self.places += 1;
        self.first.get_or_insert_with(|| (at.to_owned(), shown(recorded), shown(asked)));
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_place_is_told_and_all_are_counted() {
        let recorded = json!({ "a/b": [1, 2], "same": {}, "gone": true });
        let asked = json!({ "a/b": [1, 3, 4], "same": {}, "new": "x" });
        let found = Difference::between(&recorded, &asked);
        assert_eq!((found.places, found.first), (4, Some(("/a~1b/1".into(), "2".into(), "3".into()))));
        assert_eq!(Difference::between(&asked, &asked), Difference::default());
    }

    #[test]
    fn long_values_are_cut() {
        let found = Difference::between(&json!(null), &json!("é".repeat(500)));
        assert_eq!(found.first.unwrap().2.chars().count(), SHOWN_MAX + 1);
    }
}
