//! What scripts would run, as data: every way round a list of names that is known here.

use orchestrator_commands::{Analysis, Limits, argv, script};
use proptest::prelude::*;

/// Programs in order, and whether something cannot be told.
#[track_caller]
fn check(found: &Analysis, text: &str, programs: &[&str], opaque: Opaque) {
    assert_eq!(found.programs().collect::<Vec<_>>(), programs, "{text}: {found:?}");
    assert_eq!(!found.opaque.is_empty(), opaque == Opaque::Yes, "{text}: {:?}", found.opaque);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opaque {
    Yes,
    No,
}

#[track_caller]
fn told(text: &str, programs: &[&str]) {
    check(&script(text, &Limits::default()), text, programs, Opaque::No);
}

/// At least one of these is told, or it says that something cannot be told.
#[track_caller]
fn not_hidden(text: &str, program: &str) {
    let found = script(text, &Limits::default());
    let is_told = found.programs().any(|name| name == program) || !found.opaque.is_empty();
    assert!(is_told, "{text} hides {program}: {found:?}");
}

#[test]
fn every_part_of_a_script_is_told() {
    told("ls", &["ls"]);
    told("ls; rm x", &["ls", "rm"]);
    told("ls && rm x || date", &["ls", "rm", "date"]);
    told("ls | sort | uniq -c", &["ls", "sort", "uniq"]);
    told("sleep 1 & rm x", &["sleep", "rm"]);
    told("ls\nrm x\n", &["ls", "rm"]);
    told("(cd x; rm y)", &["cd", "rm"]);
    told("{ rm y; }", &["rm"]);
    told("! rm y", &["rm"]);
    told("if true; then rm a; elif false; then rm b; else date; fi", &["true", "rm", "false", "rm", "date"]);
    told("while true; do rm a; done", &["true", "rm"]);
    told("until false; do rm a; done", &["false", "rm"]);
    told("for i in a b; do rm x; done", &["rm"]);
    told("case a in a) rm x;; b) date;; esac", &["rm", "date"]);
    told("f() { rm x; }; f", &["rm"]);
    told("echo $(rm x)", &["rm", "echo"]);
    told("echo `rm x`", &["rm", "echo"]);
    told("echo \"a $(rm x) b\"", &["rm", "echo"]);
    told("cat <<EOF\n$(rm x)\nEOF", &["rm", "cat"]);
    told("cat <<'EOF'\n$(rm x)\nEOF", &["cat"]);
    told("echo '$(rm x)'", &["echo"]);
    told("echo $((1 + 2))", &["echo"]);
}

#[test]
fn quotes_and_escapes_hide_no_name() {
    told("r\"\"m x", &["rm"]);
    told("r''m x", &["rm"]);
    told("\\rm x", &["rm"]);
    told("'rm' x", &["rm"]);
    told("\"rm\" x", &["rm"]);
    told("/bin/rm x", &["rm"]);
    told("/usr/bin/../bin/rm x", &["rm"]);
    not_hidden("r\\\nm x", "rm");
    not_hidden("$'\\x72m' x", "rm");
    not_hidden("$'r\\155' x", "rm");
}

#[test]
fn what_expands_to_a_program_cannot_be_told() {
    for text in [
        "$X y",
        "${X} y",
        "r$Y x",
        "`echo rm` x",
        "$(echo rm) x",
        "*m x",
        "~/x",
        "{rm,x}",
        "eval \"$X\"",
        ". ./file",
        "source file",
        "$1",
        "\"$@\"",
        "r${EMPTY}m x",
        "a=rm; $a x",
        "${X:-rm} y",
        "[a]m x",
        "?m x",
    ] {
        let found = script(text, &Limits::default());
        assert!(!found.opaque.is_empty() || found.commands.iter().any(|one| one.is_elsewhere), "{text}: {found:?}");
    }
}

#[test]
fn wrappers_are_taken_off() {
    told("env rm x", &["env", "rm"]);
    told("env -i A=1 rm x", &["env", "rm"]);
    told("env -u HOME rm x", &["env", "rm"]);
    told("env -S 'rm x'", &["env", "env", "rm"]);
    told("env --split-string='rm x'", &["env", "env", "rm"]);
    told("env --split 'rm x'", &["env", "env", "rm"]);
    told("nice -n 5 rm x", &["nice", "rm"]);
    told("nohup rm x", &["nohup", "rm"]);
    told("timeout 5 rm x", &["timeout", "rm"]);
    told("timeout -s KILL 5 rm x", &["timeout", "rm"]);
    told("timeout --signal=KILL 5 rm x", &["timeout", "rm"]);
    told("stdbuf -oL rm x", &["stdbuf", "rm"]);
    told("setsid rm x", &["setsid", "rm"]);
    told("time rm x", &["rm"]);
    told("command rm x", &["command", "rm"]);
    told("exec rm x", &["exec", "rm"]);
    told("builtin cd x", &["builtin", "cd"]);
    told("sudo rm x", &["sudo", "rm"]);
    told("sudo -u root rm x", &["sudo", "rm"]);
    not_hidden("xargs rm", "rm");
    told("find . -name x -exec cat {} \\;", &["find", "cat"]);
    told("find . -exec cat {} + -exec date \\;", &["find", "cat", "date"]);
    // What stands for `{}` may be an option of those that have some that matter.
    not_hidden("find . -execdir rm {} \\;", "rm");
    told("busybox rm x", &["busybox", "rm"]);
    told("sh -c 'rm x'", &["sh", "rm"]);
    told("bash -xec 'ls; rm x'", &["bash", "ls", "rm"]);
    told("bash -o pipefail -c 'rm x'", &["bash", "rm"]);
    told("sh -c 'sh -c \"rm x\"'", &["sh", "sh", "rm"]);
    told("eval 'rm x'", &["eval", "rm"]);
    told("trap 'rm x' EXIT", &["trap", "rm"]);
    told("env nice nohup sh -c 'rm x'", &["env", "nice", "nohup", "sh", "rm"]);
    told("watch rm x", &["watch", "rm", "rm"]);
}

#[test]
fn nothing_is_hidden_by_what_is_less_well_known() {
    for text in LESS_WELL_KNOWN {
        not_hidden(text, "rm");
        // And neither behind a shell.
        let quoted = text.replace('\'', "'\\''");
        not_hidden(&format!("sh -c '{quoted}'"), "rm");
    }
}

#[test]
fn ordinary_work_can_be_told() {
    for (text, programs) in [
        ("cargo test -p x && cargo fmt", vec!["cargo", "cargo"]),
        ("git status", vec!["git"]),
        ("git log --oneline -n 5", vec!["git"]),
        ("grep -rn foo src | head -5", vec!["grep", "head"]),
        ("mkdir -p a/b && cp x a/b/ && ls -la a/b", vec!["mkdir", "cp", "ls"]),
        ("test -f x || touch x", vec!["test", "touch"]),
        ("wc -l *.rs", vec!["wc"]),
        ("echo \"$HOME\" > out.txt", vec!["echo"]),
        ("sort < in > out 2>&1", vec!["sort"]),
        ("FOO=1 make -j4", vec!["make"]),
        ("curl -fsS https://example.com -o x", vec!["curl"]),
        ("for f in *.txt; do wc -l \"$f\"; done", vec!["wc"]),
        ("cd src && ls", vec!["cd", "ls"]),
    ] {
        told(text, &programs);
    }
}

#[test]
fn what_is_too_much_cannot_be_told() {
    let many = "ls;".repeat(1_000);
    let deep = "$(".repeat(400);
    let long = format!("echo {}", "a".repeat(100_000));
    let shells = (0..9).fold("rm x".to_owned(), |inner, _| format!("eval {}", shell_quoted(&inner)));
    let wrapped = format!("{}rm x", "env ".repeat(40));
    for text in [many, deep, long, shells, wrapped] {
        assert!(!script(&text, &Limits::default()).opaque.is_empty(), "{}…", &text[..40]);
    }
    for text in ["if", "(", "case x in", "'", "\"", "$(", "a <<EOF", "&&", "}", "done", "\u{0}"] {
        assert!(!script(text, &Limits::default()).opaque.is_empty(), "{text:?}");
    }
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn words_are_not_taken_apart_again() {
    let found = argv(["echo", "a; rm x", "$(rm x)"], &Limits::default());
    check(&found, "echo", &["echo"], Opaque::No);
    let found = argv(["/home/a/ls"], &Limits::default());
    assert!(found.commands[0].is_elsewhere && !found.is_complete());
    let found = argv(["rm", "-rf", "/"], &Limits::default());
    check(&found, "rm", &["rm"], Opaque::No);
    assert!(!argv(Vec::<String>::new(), &Limits::default()).is_complete());
}

#[test]
fn files_that_are_written_and_deleted_are_told() {
    let found = script("echo a > out; cat < in; rm gone; find d -delete", &Limits::default());
    let literal = |words: &[orchestrator_commands::Word]| -> Vec<String> {
        words.iter().filter_map(|word| word.literal().map(str::to_owned)).collect()
    };
    assert_eq!(literal(&found.writes), ["out"]);
    assert_eq!(literal(&found.reads), ["in"]);
    assert!(literal(&found.deletes).contains(&"gone".to_owned()), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let found = script(&text, &Limits::default());
        prop_assert!(found.commands.len() <= Limits::default().commands_max);
    }

    #[test]
    fn any_text_of_a_shell_s_own_signs_is_answered(text in "[a-c$(){};&|<>'\"`\\\\ \n=!*?~#-]{0,80}") {
        script(&text, &Limits::default());
    }

    #[test]
    fn a_program_behind_any_chain_of_wrappers_is_told(
        wrappers in proptest::collection::vec(
            proptest::sample::select(vec!["env", "nice", "nohup", "setsid", "command", "sudo", "stdbuf -oL", "timeout 5"]),
            0..6,
        ),
    ) {
        let text = format!("{} rm x", wrappers.join(" "));
        let found = script(&text, &Limits::default());
        prop_assert!(found.programs().any(|name| name == "rm"), "{}: {:?}", text, found);
    }

    #[test]
    fn two_scripts_in_a_row_run_what_each_runs(
        (one, other) in (proptest::sample::select(SCRIPTS.to_vec()), proptest::sample::select(SCRIPTS.to_vec())),
    ) {
        let of = |text: &str| script(text, &Limits::default()).programs().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(of(&format!("{one}; {other}")), [of(one), of(other)].concat());
    }
}

const SCRIPTS: [&str; 5] = ["ls", "rm x | cat", "(date; env rm y)", "echo $(uname)", "sh -c 'a && b'"];

#[test]
fn an_analysis_survives_its_json() {
    let found = script("ls | $X", &Limits::default());
    assert_eq!(serde_json::from_value::<Analysis>(serde_json::to_value(&found).unwrap()).unwrap(), found);
}

const LESS_WELL_KNOWN: &[&str] = &[
    "ssh host rm x",
    "ssh -o ProxyCommand='rm x' host",
    "git -c core.pager='rm x' log",
    "git -c alias.x='!rm x' x",
    "git bisect run rm x",
    "git rebase --exec 'rm x' main",
    "git submodule foreach 'rm x'",
    "tar --to-command='rm x' -xf a",
    "tar --checkpoint-action=exec='rm x' -cf a b",
    "tar --checkpoint-act=exec='rm x' -cf a b",
    "tar -I 'rm x' -xf a",
    "rsync -e 'rm x' a b:",
    "python3 -c 'import os; os.system(\"rm x\")'",
    "perl -e 'system \"rm x\"'",
    "ruby -e '`rm x`'",
    "node -e 'x'",
    "awk 'BEGIN { system(\"rm x\") }'",
    "sed 's/a/rm x/e' f",
    "vim -c '!rm x' f",
    "parallel rm ::: x",
    "xargs sh -c 'rm \"$@\"' _",
    "su -c 'rm x'",
    "runuser -c 'rm x' a",
    "script -c 'rm x' log",
    "flock f rm x",
    "flock f -c 'rm x'",
    "entr rm x",
    "strace rm x",
    "gdb --args rm x",
    "unshare rm x",
    "nsenter -t 1 rm x",
    "chroot d rm x",
    "echo 'rm x' | at now",
    "echo 'rm x' | sh",
    "sh < file",
    "sh file",
    "bash <<< 'rm x'",
    "sh <<EOF\nrm x\nEOF",
    "docker run a rm x",
    "kubectl exec p -- rm x",
    "systemd-run rm x",
    "coproc rm x",
    "alias ls='rm x'; ls",
    "ls() { rm x; }; ls",
    "PATH=/tmp ls",
    "LD_PRELOAD=/tmp/x.so ls",
    "BASH_ENV=x bash -c ls",
    "export PATH=/tmp; ls",
    "cat <(rm x)",
    "echo ${X:-$(rm x)}",
    "echo $((a[$(rm x)]))",
    "[[ -n $(rm x) ]]",
    "a[$(rm x)]=1",
    "printf -v 'a[$(rm x)]' x",
    "exec 3<>file; rm x",
    "IFS=x; y",
    "enable -f x y",
    "hash -p /tmp/x ls; ls",
    "nice --unknown rm x",
    "env --unknown rm x",
    "ionice -c3 rm x",
    "taskset 1 rm x",
    "chrt 1 rm x",
    "doas rm x",
    "setpriv --reuid 1 rm x",
    "ld.so /bin/rm x",
    "/lib64/ld-linux-x86-64.so.2 /bin/rm x",
    "less f",
    "man x",
    "ed -s f",
];
