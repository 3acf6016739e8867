use std::collections::BTreeMap;
use std::path::Path;

use orchestrator_sessions::Program;
use orchestrator_vocab::AgentId;
use orchestrator_workspaces::Choice;

use crate::config::AgentConfig;

/// Takes the value of a top-level text field of the one-line JSON document on standard input into `$1`.
const FIELD: &str = r#"field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }; "#;

/// Lists and counts what is there.
const INVENTORY: &str = r#"
total=$(find . ! -name . -name '.*' -prune -o -name target -prune -o -type f -print 2>/dev/null | head -n 5000 | wc -l | tr -d ' ')
printf '{"progress":{"files":%s}}\n' "$total"
printf '{"result":{"files":%s}}\n' "$total"
"#;

/// Counts one file.
const MEASURE: &str = r#"
path=$(field path)
[ -f "$path" ] || { echo "no file $path" >&2; exit 1; }
set -- $(wc -l -w -c < "$path")
printf '{"progress":{"bytes":%s}}\n' "$3"
printf '{"result":{"path":"%s","lines":%s,"words":%s,"bytes":%s}}\n' "$path" "$1" "$2" "$3"
"#;

/// The checksum of one file, as POSIX cksum(1) computes it.
const CHECKSUM: &str = r#"
path=$(field path)
[ -f "$path" ] || { echo "no file $path" >&2; exit 1; }
set -- $(cksum < "$path")
printf '{"result":{"path":"%s","crc":%s}}\n' "$path" "$1"
"#;

/// Writes down and adds up what the tasks it depends on have measured: their results are part of its own task document.
const REPORT: &str = r##"
{
  printf '# Files\n\n| file | lines | words | bytes |\n| --- | ---: | ---: | ---: |\n'
  tr '{' '\n' | awk -F'[:,}]' '
    /"lines":/ { for (i = 1; i < NF; i++) {
      if ($i ~ /"path"/) { path = $(i + 1); gsub(/"/, "", path) }
      if ($i ~ /"lines"/) l = $(i + 1)
      if ($i ~ /"words"/) w = $(i + 1)
      if ($i ~ /"bytes"/) b = $(i + 1) }
      printf "| %s | %d | %d | %d |\n", path, l, w, b
      lines += l; words += w; bytes += b; files++ }
    END { printf "| %d files | %d | %d | %d |\n", files, lines, words, bytes }'
} > REPORT.md
set -- $(wc -l < REPORT.md)
printf '{"result":{"written":"REPORT.md","lines":%s}}\n' "$1"
"##;

/// The demonstration's agents: programs found on any Unix, started with nothing but `PATH`.
pub(crate) fn programs(directory: &Path) -> BTreeMap<AgentId, AgentConfig> {
    [
        ("inventory", "files.list", 1, INVENTORY, "Counts the files of a directory"),
        ("measure", "text.measure", 2, MEASURE, "Counts lines, words and bytes of a file"),
        ("checksum", "text.checksum", 1, CHECKSUM, "Computes the checksum of a file"),
        ("reporter", "text.report", 1, REPORT, "Writes a report of what was measured, in a workspace of its own"),
    ]
    .into_iter()
    .map(|(name, capability, max_concurrent, script, description)| {
        let mut program = Program::new(["/bin/sh", "-euc", &format!("{FIELD}{script}")]);
        program.working_directory = Some(directory.to_owned());
        program.environment.set.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
        program.timeout_ms = Some(60_000);
        let agent = AgentConfig {
            // What is written goes there: nothing in the directory itself is changed.
            workspace: (script == REPORT).then(Choice::default),
            description: description.into(),
            capabilities: [capability.parse().expect("a capability of the demonstration is a name")].into(),
            max_concurrent,
            ..AgentConfig::new(program)
        };
        (name.parse().expect("an agent of the demonstration has a name"), agent)
    })
    .collect()
}
