use super::*;

fn pdf() -> SkillName {
    "pdf".parse().unwrap()
}

#[track_caller]
fn check(text: &str, place: (u64, u64), problem: &str) {
    let wrong = read(text, &pdf()).unwrap_err();
    assert_eq!(wrong.at, Some(place), "{}", wrong.problem);
    assert!(wrong.problem.contains(problem), "{}", wrong.problem);
}

#[test]
fn the_place_of_what_is_wrong_is_told() {
    check("Hello", (1, 1), "expected `---`");
    check("---\nname: pdf\n", (1, 1), "expected `---`");
    check("---\nname: pdf\n---\n", (1, 1), "`description` is missing");
    check("---\ndescription: x\n---\n", (1, 1), "`name` is missing");
    check("---\ndescription: x\nname: PDF\n---\n", (3, 7), "without `-` at an end");
    check("---\nname: docx\ndescription: x\n---\n", (2, 7), "expected `pdf`");
    check("---\nname: pdf\ndescription: ''\n---\n", (3, 14), "1 to 1024 characters");
    let long = format!("---\nname: pdf\ndescription: {}\n---\n", "x".repeat(1_025));
    check(&long, (3, 14), "1 to 1024 characters");
    let long = format!("---\nname: pdf\ndescription: x\ncompatibility: {}\n---\n", "x".repeat(501));
    check(&long, (4, 16), "1 to 500 characters");
    check("---\nname: pdf\nname: pdf\n---\n", (3, 1), "duplicate");
}

#[test]
fn everything_of_the_format_is_understood_and_the_rest_is_listed() {
    let text = "---\nname: pdf\ndescription: >\n  Reads forms.\n  Use it for PDF files.\nlicense: Apache-2.0\n\
        compatibility: Needs python3\nmetadata:\n  author: ann\n  version: \"1.0\"\nallowed-tools: Read Bash(python3:*)\n\
        user-invocable: false\ndisable-model-invocation: true\nargument-hint: [file] \nmodel: opus\ncontext: fork\n---\n\nDo it.\n";
    let said = read(text, &pdf()).unwrap();
    assert_eq!(said.description, "Reads forms. Use it for PDF files.");
    assert_eq!((said.license.as_deref(), said.compatibility.as_deref()), (Some("Apache-2.0"), Some("Needs python3")));
    assert_eq!(said.metadata["version"], "1.0");
    let tools: Vec<String> = said.allowed_tools.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(tools, ["Read", "Bash(python3:*)"]);
    assert!(!said.user_invocable && !said.model_invocable);
    assert_eq!(said.argument_hint.as_deref(), Some("[file]"));
    assert_eq!(said.other_keys, ["context", "model"]);
    assert_eq!((said.body.as_str(), said.body_line), ("Do it.", 19));
}

#[test]
fn to_say_nothing_of_tools_is_not_to_allow_none() {
    let of = |line: &str| read(&format!("---\nname: pdf\ndescription: x\n{line}---\n"), &pdf()).unwrap().allowed_tools;
    assert_eq!(of(""), None);
    assert_eq!(of("allowed-tools:\n"), None);
    assert_eq!(of("allowed-tools: ''\n"), Some(vec![]));
    assert_eq!(of("allowed-tools: [Read, Grep]\n").map(|tools| tools.len()), Some(2));
}

#[test]
fn a_bomb_of_anchors_is_refused_at_once() {
    let front = |text: &str| format!("---\nname: pdf\ndescription: x\n{text}\n---\n");
    assert!(read(&front("a: &a [x, x]\nb: [*a, *a]"), &pdf()).is_err());
    assert!(read(&front(&format!("a: {}1{}", "[".repeat(50), "]".repeat(50))), &pdf()).is_err());
    assert!(read(&front(&format!("a: [{}1]", "1,".repeat(10_000))), &pdf()).is_err());
}
