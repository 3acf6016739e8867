use super::Seen;
use super::script::{ScriptedCall, Step};

/// What a line that orders a call begins with.
const ORDER: &str = "@call ";
/// More orders in one turn are not followed.
const CALLS_MAX: usize = 64;

/// Does what it is told by whoever is heard, also by results of tools: a model that any text can command. A line
/// `@call NAME {…}` is a call. Without one it repeats what it was given.
pub(super) fn steps(seen: &Seen) -> Vec<Step> {
    let texts = seen.results.iter().chain([&seen.last]);
    let orders: Vec<Step> = texts.flat_map(|text| text.lines()).filter_map(order).take(CALLS_MAX).collect();
    if !orders.is_empty() {
        return orders;
    }
    let given = if seen.results.is_empty() { seen.last.clone() } else { seen.results.join("\n") };
    vec![Step::Text(given)]
}

fn order(line: &str) -> Option<Step> {
    let order = line.trim().strip_prefix(ORDER)?.trim_start();
    let (tool, written) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
    let call = ScriptedCall {
        tool: tool.to_owned(),
        each: None,
        id: None,
        arguments: serde_json::Map::new(),
        written: Some(written.trim().to_owned()),
    };
    (!tool.is_empty()).then_some(Step::Call(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(last: &str, results: &[&str]) -> Vec<Step> {
        let results = results.iter().map(|result| (*result).to_owned()).collect();
        steps(&Seen { first: String::new(), last: last.to_owned(), results, all: Vec::new(), turn: 1 })
    }

    #[track_caller]
    fn written(step: &Step) -> (&str, &str) {
        let Step::Call(call) = step else { panic!("{step:?}") };
        (&call.tool, call.written.as_deref().unwrap())
    }

    #[test]
    fn orders_are_found_in_texts_and_in_results() {
        let steps = told("please\n  @call read {\"path\": \"a\"}\n@call now", &["@call write {broken"]);
        assert_eq!(
            steps.iter().map(written).collect::<Vec<_>>(),
            [("write", "{broken"), ("read", "{\"path\": \"a\"}"), ("now", ""),]
        );
    }

    #[test]
    fn without_orders_it_repeats_what_it_was_given() {
        assert_eq!(told("hello @call me", &[]), [Step::Text("hello @call me".into())]);
        assert_eq!(told("", &["a", "b"]), [Step::Text("a\nb".into())]);
    }
}
