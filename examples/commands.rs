//! What command lines would run, without running them.

use orchestrator_commands::{Limits, argv, script};

fn main() {
    let shell = ["sh", "-c", "cargo test && env -i nice r\"\"m -rf build; date > today"];
    for found in [
        argv(shell, &Limits::default()),
        script("find . -name '*.o' -delete | tee log", &Limits::default()),
        script("git -c core.pager='less -R' log; $EDITOR notes", &Limits::default()),
    ] {
        println!("runs {}", found.programs().collect::<Vec<_>>().join(", "));
        for command in found.commands.iter().filter(|command| !command.via.is_empty()) {
            println!("  {} by {}", command.program, command.via.join(" by "));
        }
        for file in found.writes.iter().chain(&found.deletes).filter_map(|word| word.literal()) {
            println!("  changes {file}");
        }
        for opaque in &found.opaque {
            println!("  cannot tell `{}`: {}", opaque.what, opaque.why);
        }
    }
}
