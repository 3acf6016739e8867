//! What a child is given: arguments, environment, directory, input.

mod support;

use bytes::Bytes;
use orchestrator_process::{Environment, Error, Framing, Output, Process, Spec, Stdin, Stream};
use support::{exit_of, line, lines, shell, start, stdout_of};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let args = ["a b", "$HOME", "; echo no", "*", "", "'\"", "--x=\n"];
    let printed = stdout_of(Spec::new("printf").args(["<%s>"]).args(args)).await;
    assert_eq!(printed.join("\n"), args.map(|arg| format!("<{arg}>")).concat());
}

#[tokio::test]
async fn the_environment_starts_empty_except_for_the_marker() {
    let printed = stdout_of(Spec::new("/usr/bin/env")).await;
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(printed[0].starts_with("ORCHESTRATOR_PROCESS_TREE="));
}

#[tokio::test]
async fn only_named_variables_are_inherited() {
    let snapshot = [("PATH", "/usr/bin:/bin"), ("SECRET", "s3cret"), ("LANG", "C")];
    let snapshot = snapshot.map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::empty().inherit_from(["PATH", "HOME"], snapshot).set("GREETING", "hello you");
    assert_eq!(format!("{environment:?}"), r#"{"GREETING", "PATH"}"#);
    let mut printed = stdout_of(Spec::new("env").environment(environment).owner("me")).await;
    printed.retain(|line| !line.starts_with("ORCHESTRATOR_PROCESS_TREE="));
    printed.sort();
    assert_eq!(printed, ["GREETING=hello you", "ORCHESTRATOR_PROCESS_OWNER=me", "PATH=/usr/bin:/bin"]);
}

#[tokio::test]
async fn variables_of_this_process_are_inherited_by_name() {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").expect("tests have a PATH").1;
    assert_eq!(Environment::empty().inherit(["PATH", "NO_SUCH_VARIABLE"]), Environment::empty().set("PATH", path));
}

#[tokio::test]
async fn it_runs_where_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let spec = Spec::new("/bin/pwd").args(["-P"]).working_directory(&path);
    assert_eq!(stdout_of(spec).await, [path.to_str().unwrap()]);
}

#[tokio::test]
async fn a_relative_program_starts_from_the_working_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/echo", directory.path().join("tool")).unwrap();
    let spec = Spec::new("./tool").args(["here"]).working_directory(directory.path());
    assert_eq!(stdout_of(spec).await, ["here"]);
}

#[tokio::test]
async fn a_missing_program_is_not_found() {
    for program in ["no-such-program", "/no/such/program", "./no-such-program", ""] {
        let refused = Process::spawn(Spec::new(program)).unwrap_err();
        assert!(matches!(&refused, Error::NotFound { program: named } if named == program), "{refused}");
    }
}

#[tokio::test]
async fn only_the_path_of_the_child_counts_and_only_its_absolute_entries() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/echo", directory.path().join("tool")).unwrap();
    let spec = |path: &str| {
        let environment = Environment::empty().set("PATH", path);
        Spec::new("tool").working_directory(directory.path()).environment(environment)
    };
    for path in ["", ".", "/usr/bin:", ":/usr/bin"] {
        assert!(matches!(Process::spawn(spec(path)), Err(Error::NotFound { .. })), "{path}");
    }
    assert_eq!(stdout_of(spec(directory.path().to_str().unwrap()).args(["found"])).await, ["found"]);
}

#[tokio::test]
async fn a_file_without_permission_is_refused_as_such() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tool"), "#!/bin/sh\n").unwrap();
    let environment = Environment::empty().set("PATH", directory.path());
    let by_name = Process::spawn(Spec::new("tool").environment(environment)).unwrap_err();
    let by_path = Process::spawn(Spec::new(directory.path().join("tool"))).unwrap_err();
    assert!(matches!(by_name, Error::Permission { .. }), "{by_name}");
    assert!(matches!(by_path, Error::Permission { .. }), "{by_path}");
}

#[tokio::test]
async fn a_missing_working_directory_is_not_taken_for_a_missing_program() {
    for path in ["/no/such/directory", "/bin/sh"] {
        let refused = Process::spawn(Spec::new("/bin/pwd").working_directory(path)).unwrap_err();
        assert!(matches!(refused, Error::WorkingDirectory { .. }), "{refused}");
    }
}

#[tokio::test]
async fn impossible_variables_are_refused() {
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
        let spec = Spec::new("/bin/true").environment(Environment::empty().set(name, value));
        assert!(matches!(Process::spawn(spec), Err(Error::Environment { .. })), "{name:?}");
    }
}

#[tokio::test]
async fn large_input_is_written_while_output_is_read() {
    let input = Bytes::from(vec![b'x'; 4 * MIB]);
    let mut process = start(Spec::new("/bin/cat").stdin(Stdin::Bytes(input.clone())).framing(Framing::Chunks));
    let mut copied = Vec::new();
    while let Some(output) = process.next().await {
        if let Output::Chunk { stream: Stream::Stdout, bytes } = output {
            copied.extend_from_slice(&bytes);
        }
    }
    assert!(copied == input);
    assert_eq!(exit_of(&mut process).await.stdout_bytes, input.len() as u64);
}

#[tokio::test]
async fn input_that_is_not_read_is_no_error() {
    let spec = shell("exec <&-; echo done").stdin(Stdin::Bytes(Bytes::from(vec![b'x'; 4 * MIB])));
    let mut process = start(spec);
    assert_eq!(lines(&mut process).await, [(Stream::Stdout, "done".to_owned())]);
    assert!(exit_of(&mut process).await.is_success());
}

#[tokio::test]
async fn without_input_there_is_end_of_file() {
    assert_eq!(stdout_of(shell("cat; echo end")).await, ["end"]);
}

#[tokio::test]
async fn a_conversation_goes_over_piped_input() {
    let mut process = start(shell("while read word; do echo \"<$word>\"; done; echo bye").stdin(Stdin::Piped));
    let mut input = process.take_input().unwrap();
    for word in ["one", "two"] {
        input.write(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(line(&mut process).await, format!("<{word}>"));
    }
    drop(input);
    assert_eq!(line(&mut process).await, "bye");
    assert!(exit_of(&mut process).await.is_success());
}

#[tokio::test]
async fn writing_to_a_process_that_has_closed_its_input_says_so() {
    let mut process = start(shell("exec <&-; echo closed; exec sleep 1000").stdin(Stdin::Piped));
    let mut input = process.take_input().unwrap();
    assert_eq!(line(&mut process).await, "closed");
    assert!(matches!(input.write(b"x").await, Err(Error::Ended)));
}
