//! Ways to have a shell run `reboot` so that a reader of the text overlooks it, one line for each; and their harmless likes, of which all
//! must be told. Which shell does what was tried with bash 5.2 and dash 0.5.12.

use orchestrator_commands::{Analysis, Limits, argv};
use proptest::prelude::*;

/// Who reads the script: `sh` may be dash or bash.
const SH: &str = "sh";
const BASH: &str = "bash";

/// The script, the shell, and whether the program is told by its name; otherwise it may also be that something cannot be told.
type Trick = (&'static str, &'static str, Told);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    ByName,
    OrUnknown,
}

use Told::{ByName, OrUnknown};

/// What one shell reads as one thing and another as something else.
const READ_DIFFERENTLY: &[Trick] = &[
    ("a &>f reboot", SH, OrUnknown),
    ("a &>>f reboot", SH, OrUnknown),
    ("a &> f; reboot", BASH, ByName),
    ("&>f reboot", BASH, ByName),
    (">& f reboot", BASH, ByName),
    ("a |& reboot", SH, OrUnknown),
    ("a |& reboot", BASH, ByName),
    ("case a in a) true ;& b) reboot;; esac", BASH, ByName),
    ("case a in a) true ;;& *) reboot;; esac", BASH, OrUnknown),
    ("cat <(reboot)", BASH, ByName),
    ("echo a>(reboot)", BASH, OrUnknown),
    ("x=<(reboot)", BASH, OrUnknown),
    ("cat < <(reboot)", BASH, ByName),
    ("cat <<< $(reboot)", BASH, ByName),
    ("<<<a reboot", BASH, OrUnknown),
    ("$'reboot'", BASH, ByName),
    ("$'\\x72eboot'", BASH, ByName),
    ("$'reboot'", SH, OrUnknown),
    ("$\"reboot\"", BASH, OrUnknown),
    ("{reboot,a}", BASH, OrUnknown),
    ("{a}>f reboot", BASH, OrUnknown),
    ("function f { reboot; }; f", BASH, ByName),
    ("function f\nreboot", SH, OrUnknown),
    ("function reboot\n{ true; }\nreboot", SH, OrUnknown),
    ("[[ -n a && reboot ]]", SH, OrUnknown),
    ("[[ a > f && reboot ]]", SH, OrUnknown),
    ("[[ a =~ $(reboot) ]]", BASH, ByName),
    ("((reboot))", SH, OrUnknown),
    ("((echo x); reboot)", BASH, OrUnknown),
    ("echo $((reboot) )", BASH, OrUnknown),
    ("echo $[ $(reboot) ]", BASH, OrUnknown),
    ("for ((i=0;i<1;i++)) { reboot; }", BASH, OrUnknown),
    ("for i in a; { reboot; }", BASH, OrUnknown),
    ("select x in a; do reboot; done <<< 1", BASH, OrUnknown),
    ("coproc reboot", BASH, ByName),
    ("coproc a { reboot; }", BASH, OrUnknown),
    ("time -p reboot", BASH, ByName),
    ("time ! reboot", BASH, OrUnknown),
    ("! ! reboot", BASH, OrUnknown),
    ("set -o history -o histexpand\necho rexboot\n!!:s/echo rex/re/", BASH, OrUnknown),
    ("shopt -s expand_aliases; BASH_ALIASES[ls]=reboot\nls", BASH, OrUnknown),
    ("BASH_CMDS[ls]=/tmp/reboot; ls", BASH, OrUnknown),
    ("set -k; ls LD_PRELOAD=x", BASH, OrUnknown),
    ("x[ 0 ]=1 reboot", BASH, OrUnknown),
    ("x[\"0 ; \"]=a reboot", BASH, OrUnknown),
    ("PS4='$(reboot)'; set -x; true", SH, OrUnknown),
];

/// Text that bash evaluates, though it looks quoted.
const EVALUATED: &[Trick] = &[
    ("[ \"$x\"-v 'a[$(reboot)]' ]", BASH, OrUnknown),
    ("[ -v 'a[$(reboot)]' ]", BASH, OrUnknown),
    ("[ ! -v 'a[$(reboot)]' ]", BASH, OrUnknown),
    ("[ \\( -v 'a[$(reboot)]' \\) ]", BASH, OrUnknown),
    ("[ a = b -o -v 'a[$(reboot)]' ]", BASH, OrUnknown),
    ("x='-v a[$(reboot)]'; [ $x ]", BASH, OrUnknown),
    ("set -- -v 'a[$(reboot)]'; [ \"$@\" ]", BASH, OrUnknown),
    ("[ \"$x\" \"$y\" ]", BASH, OrUnknown),
    ("[ * ]", BASH, OrUnknown),
    ("[[ -v 'a[$(reboot)]' ]]", BASH, OrUnknown),
    ("[[ 'a[$(reboot)]' -eq 1 ]]", BASH, OrUnknown),
    ("a='b[$(reboot)]'; [[ $a -lt 1 ]]", BASH, OrUnknown),
    ("printf -v 'a[$(reboot)]' x", BASH, OrUnknown),
    ("a='b[$(reboot)]'; printf -v \"$a\" x", BASH, OrUnknown),
    ("read 'a[$(reboot)]' <<< x", BASH, OrUnknown),
    ("a='b[$(reboot)]'; read \"$a\" <<< x", BASH, OrUnknown),
    ("a=(1); unset 'a[$(reboot)]'", BASH, OrUnknown),
    ("true & wait -p 'a[$(reboot)]' $!", BASH, OrUnknown),
    ("p='-p a[$(reboot)]'; true & wait $p", BASH, OrUnknown),
    ("let 'a[$(reboot)]'", BASH, OrUnknown),
    ("declare \"x[\\$(reboot)]=1\"", BASH, OrUnknown),
    ("declare -i x='a[$(reboot)]'", BASH, OrUnknown),
    ("declare -n x='a[$(reboot)]'; echo $x", BASH, OrUnknown),
    ("declare -a 'x=($(reboot))'", BASH, OrUnknown),
    ("x=(1); declare 'x=($(reboot))'", BASH, OrUnknown),
    ("declare 'x=($(reboot))'; x=(1)", BASH, OrUnknown),
    ("eval x=(1 2) reboot", BASH, OrUnknown),
    ("true; declare 'PIPESTATUS=($(reboot))'", BASH, OrUnknown),
    ("read -a x <<< y; declare 'x=($(reboot))'", BASH, OrUnknown),
    ("declare -A 'x=([a]=$(reboot))'", BASH, OrUnknown),
    ("y='($(reboot))'; declare -a x=$y", BASH, OrUnknown),
    ("y='($(reboot))'; f() { local -a x=\"$y\"; }; f", BASH, OrUnknown),
    ("readonly -a 'x=($(reboot))'", BASH, OrUnknown),
    ("declare 'DIRSTACK=($(reboot))'", BASH, OrUnknown),
    ("a=(['x[$(reboot)]']=1)", BASH, OrUnknown),
    ("x['a[$(reboot)]']=1", BASH, OrUnknown),
    ("a='b[$(reboot)]'; c[a]=1", BASH, OrUnknown),
    ("echo ${a['x[$(reboot)]']}", BASH, OrUnknown),
    ("a='b[$(reboot)]'; echo ${c[a]}", BASH, OrUnknown),
    ("a='b[$(reboot)]'; echo ${!a}", BASH, OrUnknown),
    ("x='$(reboot)'; echo ${x@P}", BASH, OrUnknown),
    ("a='b[$(reboot)]'; y=1; echo ${y:a}", BASH, OrUnknown),
    ("echo $((a[$(reboot)]))", SH, OrUnknown),
    ("x='a[$(reboot)]'; echo $((x))", BASH, OrUnknown),
    ("x='a[$(reboot)]'; echo $[x]", BASH, OrUnknown),
    ("x='a[$(reboot)]'; (( x ))", BASH, OrUnknown),
    ("x='a[$(reboot)]'; for ((;x;)); do break; done", BASH, OrUnknown),
    ("RANDOM='a[$(reboot)]'", BASH, OrUnknown),
    ("true >&'$(reboot)'", BASH, OrUnknown),
    ("true >& f'`reboot`'", BASH, OrUnknown),
    ("x='$(reboot)'; true >&$x", BASH, OrUnknown),
    ("coproc \"`reboot` $a\" { true; }", BASH, OrUnknown),
    ("for RANDOM in 'a[$(reboot)]'; do true; done", BASH, OrUnknown),
    ("read OPTIND <<< 'a[$(reboot)]'", BASH, OrUnknown),
    ("export HISTCMD='a[$(reboot)]'", BASH, OrUnknown),
];

/// Comments, lines that go on, and documents, which part what runs from what does not.
const PARTED: &[Trick] = &[
    ("echo \"$(echo  # )\nreboot # )\"\n)\"", SH, OrUnknown),
    ("echo \"$(echo ; # )\nreboot\n)\"", SH, OrUnknown),
    ("echo \"$(\n # )\nreboot\n)\"", SH, OrUnknown),
    ("echo $(echo a # b )\nreboot )", SH, OrUnknown),
    ("echo $(#)\nreboot )", SH, OrUnknown),
    ("cat <(echo  # )\nreboot\n)", BASH, OrUnknown),
    ("echo $((1 # 2))\nreboot))", SH, OrUnknown),
    ("echo \\\n# x\nreboot", SH, OrUnknown),
    ("# a \\\nreboot", SH, ByName),
    ("echo a \\\n && reboot", SH, ByName),
    ("re\\\nboot", SH, OrUnknown),
    ("echo \"a \\\n$(reboot)\"", SH, OrUnknown),
    ("echo $(cat <<E\n)\nE\nreboot)", SH, OrUnknown),
    ("echo \"$(cat <<'E'\nit's ) \"\nE\nreboot\n)\"", SH, OrUnknown),
    ("cat <<E; echo \"\nE\n\" ; reboot ; echo \"\nE\n\"", SH, OrUnknown),
    ("cat <<'E\nF'\nx\nE\nF\nreboot", SH, OrUnknown),
    ("cat <<\"E\"\\\nF\nx\nEF\nreboot", SH, OrUnknown),
    ("cat <<E \\\n; reboot\na\nE", SH, OrUnknown),
    ("cat <<E\n${x-'$(reboot)'}\nE", SH, OrUnknown),
    ("cat <<E\n`echo \\`reboot\\``\nE", SH, OrUnknown),
    ("cat <<E\n$(#)\nreboot )\nE", SH, OrUnknown),
    ("cat <<E\n$(echo a # b )\nreboot )\nE", SH, OrUnknown),
    ("cat <<E\n\\\\$(reboot)\nE", SH, ByName),
    ("cat <<-E\n\tx\n\tE\nreboot", SH, OrUnknown),
    ("cat <<E <<F\nE\nreboot\nF\nreboot", SH, OrUnknown),
    ("echo \"${x-'$(reboot)'}\"", SH, OrUnknown),
    ("echo `echo \\`reboot\\``", SH, OrUnknown),
    ("echo \"`echo \\\"$(reboot)\\\"`\"", SH, OrUnknown),
];

/// Words that nobody has seen yet, where an option may stand that runs something.
const EXPANDED: &[Trick] = &[
    ("tar *", SH, OrUnknown),
    ("tar -cf a.tar *", SH, OrUnknown),
    ("tar -cf a.tar \"$x\"", SH, OrUnknown),
    ("tar -cf a.tar {a,b}", BASH, OrUnknown),
    ("git $X", SH, OrUnknown),
    ("git log \"$x\"", SH, OrUnknown),
    ("git -c \"$x\" log", SH, OrUnknown),
    ("find $d", SH, OrUnknown),
    ("find \"$d\" -name x", SH, OrUnknown),
    ("find . -name $x", SH, OrUnknown),
    ("find . {-exec,reboot} ';'", BASH, OrUnknown),
    ("sort $x", SH, OrUnknown),
    ("rsync \"$x\" b", SH, OrUnknown),
    ("ssh $x", SH, OrUnknown),
    ("ssh \"$host\" true", SH, OrUnknown),
    ("env $x", SH, OrUnknown),
    ("xargs -I{} tar {}", SH, OrUnknown),
    ("ls | xargs tar -cf a.tar", SH, OrUnknown),
    ("bash $x", SH, OrUnknown),
    ("timeout $x true", SH, OrUnknown),
    ("set \"$x\"", BASH, OrUnknown),
    ("sed \"$x\" f", SH, OrUnknown),
    ("cargo $x", SH, OrUnknown),
];

/// All of which is told: no reader gains anything by not understanding.
const HARMLESS: &[(&str, &str)] = &[
    ("a &>f b", BASH),
    ("a 2>&1 | b", SH),
    ("[ \"$x\" = \"$y\" ] || true", SH),
    ("[ $# -gt 0 ] && [ $? -eq 0 ] && [ -z \"$x\" -o -f \"$y\" ]", SH),
    ("test -n \"$x\"", SH),
    ("[[ -n $x && $y == a* ]]", BASH),
    ("x=(1 2); echo \"${x[0]}\" \"${x[@]}\"", BASH),
    ("declare -a x=(a b); local y=(c)", BASH),
    ("f() { local y=\"$1\"; echo \"$y\"; }; f a", BASH),
    ("set -euo pipefail; shopt -s nullglob; set -- a; wait", BASH),
    ("x=$(date); ls # today", SH),
    ("# today\necho \"$(date)\"", SH),
    ("echo \"$(date # now\n)\"", SH),
    ("echo \"$(cat <<'EOF'\nFix what was wrong (#12)\n\nSee #13 for more.\nEOF\n)\"", BASH),
    ("grep -rn \"$x\" src/*.rs", SH),
    ("rm -f \"$x\"; mkdir -p \"$d\"; touch $files", SH),
    ("wc -l *.rs; ls $x; cp \"$a\" \"$b\"; cat *", SH),
    ("find . -name '*.rs' -type f", SH),
    ("tar -cf a.tar src/*", SH),
];

/// What may stand around a script, as it is for `{}` and in quotes for `{q}`.
const AROUND: &[&str] = &[
    "{}",
    "{ {}\n}",
    "( {}\n)",
    "true; {}\ntrue",
    "if true; then {}\nfi",
    "for i in a; do {}\ndone",
    "f() { {}\n}; f",
    "echo $( {}\n)",
    "echo \"$( {}\n)\"",
    "eval {q}",
    "trap {q} EXIT",
    "sh -c {q}",
    "bash -ec {q}",
    "env -i timeout 5 sh -c {q}",
    "sudo nice bash -c {q}",
    "git -c alias.x=!{q} x",
    "find . -exec sh -c {q} ';'",
    "xargs sh -c {q}",
];

fn around(script: &str, template: &str) -> String {
    template.replace("{q}", &format!("'{}'", script.replace('\'', "'\\''"))).replace("{}", script)
}

fn found(script: &str, shell: &str) -> Analysis {
    argv([shell, "-c", script], &Limits::default())
}

#[test]
fn no_trick_hides_a_program() {
    let mut hidden = Vec::new();
    for (script, shell, told) in [READ_DIFFERENTLY, EVALUATED, PARTED, EXPANDED].into_iter().flatten() {
        let found = found(script, shell);
        let is_named = found.programs().any(|program| program == "reboot");
        if !is_named && (*told == ByName || found.is_complete()) {
            hidden.push(format!("{shell}: {script:?}: {found:?}"));
        }
    }
    assert!(hidden.is_empty(), "{} are hidden:\n{}", hidden.len(), hidden.join("\n"));
}

#[test]
fn what_looks_like_a_trick_and_is_none_is_told() {
    let untold: Vec<String> = HARMLESS
        .iter()
        .map(|(script, shell)| (script, found(script, shell)))
        .filter(|(_, found)| !found.is_complete())
        .map(|(script, found)| format!("{script:?}: {:?}", found.opaque))
        .collect();
    assert!(untold.is_empty(), "not told:\n{}", untold.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_stands_around_a_trick_hides_it_no_better(
        trick in proptest::sample::select([READ_DIFFERENTLY, EVALUATED, PARTED, EXPANDED].concat()),
        templates in proptest::collection::vec(proptest::sample::select(AROUND), 1..4),
    ) {
        // What only dash reads so is harmless in bash.
        let templates = templates.iter().filter(|template| trick.1 == BASH || !template.contains("bash"));
        let script = templates.fold(trick.0.to_owned(), |script, template| around(&script, template));
        let found = found(&script, trick.1);
        prop_assert!(found.programs().any(|name| name == "reboot") || !found.is_complete(), "{}: {:?}", script, found);
    }

    #[test]
    fn any_text_of_shells_is_answered_within_the_limits(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "$(", "`", "\"", "'", "{", "}", "((", "))", "[[", "]]", "<<E\n", "\nE\n", "case a in", "esac", "#", "\\\n", "\\", "&>",
                "|&", "<(", ")", "(", "${", "a[", "]", "=(", "function f", "reboot", " ", "\n", ";", "*", "~", "$'", "if", "done",
            ]),
            0..40,
        ),
        shell in proptest::sample::select(vec![SH, BASH, "zsh", "ksh"]),
    ) {
        let (found, most) = (found(&pieces.concat(), shell), Limits::default().commands_max);
        prop_assert!(found.commands.len() <= most && found.opaque.len() <= 2 * most);
    }
}
